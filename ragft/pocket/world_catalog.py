"""What the telecom world is made of: kinds of product, their attributes, and the words for them.

Every list of phrasings has two parts: those the pocket model is trained on, and those kept out of
its training (``held_*``), so that reading an unseen wording can be measured.
"""

# ruff: noqa: E501, SIM905 - tables of words read best as lines of words

from dataclasses import dataclass
from typing import Literal

Unit = Literal["money", "count", "code", "word"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A property a product can have, and how people speak of it.

    Attributes:
        noun: The canonical name, the one the pocket model answers with.
        nouns: Names used in training, the canonical one first.
        held_nouns: Names never used in training.
        statements: Sentences of a document; ``{E}`` is the product, ``{v}`` the value.
        questions: Questions that do not name the attribute by a noun.
        unit: "money" ($24), "count" (24 months), "code" (*345#) or "word" (red).
        unit_word: The unit of a count, else "".
        low: The lowest number; ``high``: the highest; both have the same number of digits.
        words: The values of a word, or the pattern of a code (``d`` a digit).
    """

    noun: str
    nouns: tuple[str, ...]
    held_nouns: tuple[str, ...]
    statements: tuple[str, ...]
    held_statements: tuple[str, ...]
    questions: tuple[str, ...]
    held_questions: tuple[str, ...]
    unit: Unit
    unit_word: str = ""
    low: int = 10
    high: int = 99
    words: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether two values can be put in order."""
        return self.unit in ("money", "count")


def _attribute(nouns: str, statements: str, questions: str, value: str) -> Attribute:
    """Return the attribute of four short texts; ``|`` separates variants, ``//`` starts the held-out ones."""

    def parts(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        trained, _, held = text.partition("//")
        return tuple(p.strip() for p in trained.split("|")), tuple(p.strip() for p in held.split("|") if p.strip())

    names, held_names = parts(nouns)
    said, held_said = parts(statements)
    asked, held_asked = parts(questions)
    kind, _, rest = value.partition(" ")
    common = (names[0], names, held_names, said, held_said, asked, held_asked)
    if kind == "$":
        low, high = rest.split("-")
        return Attribute(*common, unit="money", low=int(low), high=int(high))
    if kind == "n":
        limits, unit_word = rest.split(" ", 1)
        low, high = limits.split("-")
        return Attribute(*common, unit="count", unit_word=unit_word, low=int(low), high=int(high))
    return Attribute(*common, unit="code" if kind == "code" else "word", words=tuple(rest.split(",")))


COLOURS = "red,green,blue,white,orange,purple,yellow,pink,grey,black,silver,gold"
DAYS = "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday"

ATTRIBUTES: dict[str, Attribute] = {
    attribute.noun: attribute
    for attribute in (
        _attribute(
            "monthly price | monthly charge // monthly rate",
            "{E} costs {v} a month. | Customers pay {v} every month for {E}. // {E} is billed at {v} each month.",
            "How much does {E} cost a month? | How much do I pay every month for {E}? // What would {E} cost me monthly?",
            "$ 10-89",
        ),
        _attribute(
            "data allowance | data volume // data quota",
            "{E} gives you {v} of mobile data. | Up to {v} of data can be used with {E}. // Surfing with {E} is limited to {v} of data.",
            "How much data does {E} give me? | How much mobile data can I use with {E}? // How many gigabytes of data come with {E}?",
            "n 10-99 GB",
        ),
        _attribute(
            "contract length | minimum term // contract term",
            "The contract of {E} runs for {v}. | {E} is signed for {v}. // Whoever takes {E} is bound by contract for {v}.",
            "How long does the contract of {E} run? | For how long is {E} signed? // How many months does the contract for {E} last?",
            "n 10-48 months",
        ),
        _attribute(
            "activation fee | set-up fee // activation charge",
            "Activating {E} costs {v} once. | You pay {v} once when {E} is activated. // A single {v} is due on activating {E}.",
            "How much does it cost to activate {E}? | What do I pay when {E} is activated? // What does activating {E} set me back?",
            "$ 10-79",
        ),
        _attribute(
            "roaming charge | roaming fee // roaming cost",
            "Using {E} abroad costs {v} a day. | A day abroad with {E} costs {v}. // Travellers with {E} are charged {v} a day abroad.",
            "How much is a day abroad with {E}? | How much does using {E} abroad cost? // What am I charged abroad with {E}?",
            "$ 10-59",
        ),
        _attribute(
            "notice period | cancellation notice // notice time",
            "{E} can be cancelled with {v} of notice. | To leave {E}, give {v} of notice. // Leaving {E} takes a notice of {v}.",
            "How much notice must I give to leave {E}? | How long before leaving {E} must I give notice? // How early must I give notice for {E}?",
            "n 10-90 days",
        ),
        _attribute(
            "call minutes | talk time // calling minutes",
            "{E} has {v} of calls. | You can call for {v} with {E}. // Calls of up to {v} are covered by {E}.",
            "How long can I call with {E}? | How much calling does {E} have? // How many minutes can I talk with {E}?",
            "n 100-990 minutes",
        ),
        _attribute(
            "billing day | invoice day // bill day",
            "The bill for {E} is sent on {v}. | {E} is billed every {v}. // Invoices for {E} go out on a {v}.",
            "When is the bill for {E} sent? | On which day is {E} billed? // Which day of the week is the invoice for {E} issued?",
            "word " + DAYS,
        ),
        _attribute(
            "download speed | receiving speed // downlink speed",
            "{E} downloads at up to {v}. | You can download at {v} with {E}. // Downloads over {E} reach {v}.",
            "How fast can I download with {E}? | How fast is a download on {E}? // How quick are downloads over {E}?",
            "n 100-990 Mbps",
        ),
        _attribute(
            "upload speed | sending speed // uplink speed",
            "{E} uploads at up to {v}. | You can upload at {v} with {E}. // Uploads over {E} reach {v}.",
            "How fast can I upload with {E}? | How fast is an upload on {E}? // How quick are uploads over {E}?",
            "n 10-99 Mbps",
        ),
        _attribute(
            "installation fee | fitting fee // installation charge",
            "Having {E} installed costs {v}. | A technician installs {E} for {v}. // For fitting {E} we ask {v}.",
            "How much does it cost to have {E} installed? | What does the technician cost for {E}? // What do you ask for fitting {E}?",
            "$ 10-99",
        ),
        _attribute(
            "equipment deposit | hardware deposit // device deposit",
            "A deposit of {v} is held for {E}. | {E} asks for {v} as a deposit. // We hold back {v} as a deposit on {E}.",
            "How much deposit is held for {E}? | What deposit does {E} ask for? // How large is the deposit on {E}?",
            "$ 10-99",
        ),
        _attribute(
            "retail price | shop price // sale price",
            "{E} is sold for {v}. | You can buy {E} for {v}. // In our shops {E} goes for {v}.",
            "How much is {E} sold for? | For how much can I buy {E}? // What does {E} go for in the shop?",
            "$ 100-899",
        ),
        _attribute(
            "warranty period | guarantee period // warranty time",
            "{E} is under warranty for {v}. | Repairs of {E} are free for {v}. // A guarantee of {v} covers {E}.",
            "How long is {E} under warranty? | For how long are repairs of {E} free? // How long does the guarantee cover {E}?",
            "n 10-60 months",
        ),
        _attribute(
            "wireless range | signal range // wireless reach",
            "The signal of {E} reaches {v}. | {E} covers a radius of {v}. // You can be {v} away from {E} and keep the signal.",
            "How far does the signal of {E} reach? | What radius does {E} cover? // How far away from {E} is there a signal?",
            "n 10-95 metres",
        ),
        _attribute(
            "power draw | power use // power consumption",
            "{E} draws {v} of power. | {E} needs {v} of power. // Running {E} takes {v} of power.",
            "How much power does {E} draw? | How much power does {E} need? // How much power does running {E} take?",
            "n 10-60 watts",
        ),
        _attribute(
            "reset time | restart time // resetting time",
            "{E} resets after {v}. | Hold the key of {E} for {v} to reset it. // Resetting {E} takes {v} of pressing.",
            "How long must I hold the key of {E} to reset it? | After how long does {E} reset? // How long does resetting {E} take?",
            "n 10-90 seconds",
        ),
        _attribute(
            "port count | socket count // number of ports",
            "{E} is built with {v}. | You can plug cables into {v} on {E}. // On the back of {E} there are {v}.",
            "How many ports is {E} built with? | Into how many ports of {E} can I plug cables? // How many ports are on {E}?",
            "n 10-64 ports",
        ),
        _attribute(
            "network band | frequency band // radio band",
            "{E} works on band {v}. | {E} sends on band {v}. // The radio of {E} is tuned to band {v}.",
            "On which band does {E} work? | Which band does {E} send on? // What band is {E} tuned to?",
            "code Bdd",
        ),
        _attribute(
            "pack price | one-off price // package price",
            "{E} is booked for {v}. | Booking {E} costs {v}. // You get {E} on payment of {v}.",
            "How much does booking {E} cost? | For how much can {E} be booked? // What do I have to pay to get {E}?",
            "$ 10-69",
        ),
        _attribute(
            "validity period | validity time // valid time",
            "{E} is valid for {v}. | {E} ends after {v}. // After booking, {E} stays valid {v}.",
            "How long is {E} valid? | After how long does {E} end? // How long does {E} stay valid?",
            "n 10-90 days",
        ),
        _attribute(
            "data bonus | extra data // bonus data",
            "{E} adds {v} of data. | You get {v} on top with {E}. // {E} tops you up with {v} more data.",
            "How much data does {E} add? | What do I get on top with {E}? // How much more data do I have with {E}?",
            "n 10-99 GB",
        ),
        _attribute(
            "activation code | booking code // activating code",
            "Dial {v} to activate {E}. | {E} is activated by dialling {v}. // {E} is switched on once you dial {v}.",
            "What do I dial to activate {E}? | What must be dialled to activate {E}? // Which code do I dial to switch on {E}?",
            "code *ddd#",
        ),
        _attribute(
            "message limit | text limit // message cap",
            "{E} lets you send {v}. | You can send {v} with {E}. // With {E} no more than {v} can be sent.",
            "How many texts can I send with {E}? | How many texts does {E} let me send? // How many texts are in {E} at most?",
            "n 100-990 texts",
        ),
        _attribute(
            "battery life | running time // battery time",
            "The battery of {E} lasts {v}. | {E} runs for {v} on battery. // One charge keeps {E} going for {v} of battery life.",
            "How long does the battery of {E} last? | How long does {E} run on battery? // How long does one charge keep {E} going?",
            "n 10-90 hours",
        ),
        _attribute(
            "storage size | memory size // storage space",
            "{E} stores {v}. | There is room for {v} on {E}. // Photos and apps can fill {v} on {E}.",
            "How much can {E} store? | How much room is there on {E}? // How much storage is in {E}?",
            "n 100-990 GB",
        ),
        _attribute(
            "charging time | loading time // charge time",
            "{E} charges in {v}. | Charging {E} takes {v}. // {E} is fully charged after {v}.",
            "How long does charging {E} take? | How fast does {E} charge? // When is {E} fully charged?",
            "n 10-95 minutes",
        ),
        _attribute(
            "frame colour | case colour // body colour",
            "{E} comes in {v}. | The case of {E} is {v}. // {E} is painted {v}.",
            "What colour is the case of {E}? | In which colour does {E} come? // What colour is {E} painted?",
            "word " + COLOURS,
        ),
        _attribute(
            "trade-in value | exchange value // trade-in price",
            "We pay {v} for a used {E}. | Hand in {E} and get {v}. // Returning an old {E} earns {v}.",
            "How much do you pay for a used {E}? | What do I get when I hand in {E}? // How much does returning an old {E} earn?",
            "$ 100-499",
        ),
        _attribute(
            "error code | fault code // error number",
            "{E} shows as {v} on the display. | The display says {v} for {E}. // On screens, {E} appears as {v}.",
            "What does the display say for {E}? | As what does {E} show on the display? // What appears on screens for {E}?",
            "code Eddd",
        ),
        _attribute(
            "light colour | lamp colour // lamp's colour",
            "The lamp turns {v} for {E}. | {E} makes the lamp go {v}. // A {v} lamp is the sign of {E}.",
            "What colour does the lamp turn for {E}? | Which colour does the lamp go for {E}? // What lamp is the sign of {E}?",
            "word " + COLOURS,
        ),
        _attribute(
            "repair time | fixing time // repairing time",
            "{E} is repaired within {v}. | Fixing {E} takes {v}. // Engineers clear {E} in {v}.",
            "How long does fixing {E} take? | Within what time is {E} repaired? // How soon do engineers clear {E}?",
            "n 10-72 hours",
        ),
        _attribute(
            "service credit | refund amount // credit amount",
            "Customers hit by {E} get {v} back. | {E} is made good with {v}. // For {E} we hand back {v}.",
            "How much do customers hit by {E} get back? | With how much is {E} made good? // How much do you hand back for {E}?",
            "$ 10-59",
        ),
        _attribute(
            "hotline extension | phone extension // hotline number",
            "Call extension {v} about {E}. | Our agents for {E} are on extension {v}. // Ask for extension {v} to talk about {E}.",
            "Which extension do I call about {E}? | On which extension are the agents for {E}? // What extension do I ask for about {E}?",
            "code #ddd",
        ),
        _attribute(
            "update interval | report interval // updating interval",
            "News on {E} is sent every {v}. | We report on {E} every {v}. // Every {v} you hear from us about {E}.",
            "How often is news on {E} sent? | How often do you report on {E}? // How often do I hear from you about {E}?",
            "n 10-90 minutes",
        ),
    )
}

# Kind of product -> its attributes; a product's article states six of them.
KINDS: dict[str, tuple[str, ...]] = {
    "mobile plan": (
        "monthly price",
        "data allowance",
        "contract length",
        "activation fee",
        "roaming charge",
        "notice period",
        "call minutes",
        "billing day",
    ),
    "broadband package": (
        "monthly price",
        "download speed",
        "upload speed",
        "contract length",
        "installation fee",
        "equipment deposit",
        "notice period",
        "billing day",
    ),
    "router": (
        "retail price",
        "warranty period",
        "wireless range",
        "power draw",
        "reset time",
        "port count",
        "network band",
        "light colour",
    ),
    "add-on": (
        "pack price",
        "validity period",
        "data bonus",
        "activation code",
        "message limit",
        "notice period",
        "billing day",
        "roaming charge",
    ),
    "handset": (
        "retail price",
        "battery life",
        "storage size",
        "charging time",
        "warranty period",
        "frame colour",
        "trade-in value",
        "network band",
    ),
    "fault": (
        "error code",
        "light colour",
        "repair time",
        "service credit",
        "hotline extension",
        "update interval",
        "reset time",
        "warranty period",
    ),
}

FEATURES: dict[str, tuple[str, ...]] = {
    "mobile plan": ("voicemail", "tethering", "call forwarding", "data rollover"),
    "broadband package": ("parental control", "a fixed address", "virus protection", "evening support"),
    "router": ("a guest network", "a wall mount", "mesh mode", "a spare cable"),
    "add-on": ("automatic renewal", "music streaming", "tethering", "a gift option"),
    "handset": ("a spare cable", "screen insurance", "wireless charging", "a second card slot"),
    "fault": ("a home visit", "a loan device", "text alerts", "a call back"),
}

TASKS: dict[str, tuple[str, ...]] = {
    "mobile plan": ("cancel", "pause", "upgrade", "share", "transfer"),
    "broadband package": ("cancel", "move", "upgrade", "pause", "test"),
    "router": ("restart", "update", "register", "return", "connect"),
    "add-on": ("cancel", "renew", "share", "book", "pause"),
    "handset": ("lock", "update", "register", "return", "unlock"),
    "fault": ("report", "track", "clear", "test", "escalate"),
}
VERBS = ("open", "choose", "tap", "check", "enter", "press", "visit", "confirm")
OBJECTS = (
    "Account Billing Security Devices Limits Profile Orders Network Contacts Messages Storage Privacy Payments Reports "
    "Services Tools Alerts Backup Display Sounds Location Options Details Summary"
).split()

FIRST_WORDS = (
    "Amber Arctic Autumn Azure Bold Brave Bright Bronze Calm Candid Cedar Chrome Clear Cobalt Copper Coral Cosmic Crimson "
    "Crystal Dapper Dawn Desert Distant Dusty Eager Early Ebony Electric Emerald Endless Epic Fancy Fierce Flash Forest Frosty "
    "Gentle Giant Global Golden Grand Granite Happy Hazel Hidden Honest Humble Icy Indigo Iron Ivory Jade Jolly Jumbo Lasting "
    "Lemon Light Lively Lucky Lunar Magic Maple Marble Mellow Midnight Misty Modern Mystic Neon Noble Ocean Olive Opal Open "
    "Pacific Pearl Plain Polar Prime Proud Quick Quiet Rapid Rocky Royal Ruby Rustic Sandy Scarlet Secret Shiny Simple Smart"
).split()
SECOND_WORDS = (
    "Acorn Anchor Antler Arrow Badger Beacon Bear Bison Breeze Bridge Canyon Castle Cheetah Cliff Cloud Comet Condor Cricket "
    "Crown Dolphin Dragon Eagle Ember Falcon Feather Fern Finch Fjord Flame Fox Galaxy Garden Gazelle Glacier Harbor Hawk "
    "Heron Horizon Island Jaguar Jewel Jungle Kestrel Kite Lagoon Lantern Leopard Lion Lotus Lynx Magnet Meadow Meteor Mirror "
    "Moose Mountain Nebula Oak Orchid Osprey Otter Owl Palm Panther Parrot Pebble Pelican Penguin Phoenix Pilot Pine Planet "
    "Prairie Puma Quartz Rabbit Raven Reef River Robin Rocket Saddle Sailor Salmon Shadow Shark Sparrow Spirit Star Stone "
    "Storm Summit Swan Tiger Tower Valley"
).split()
