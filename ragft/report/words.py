"""Numbers and names as the report writes them."""

import re

# What the contexts are made from that hold the evidence.
NEEDS_EVIDENCE = "questions whose evidence (the column evidence) stands in the documents that they name"
MINUS = "\u2212"
# Characters that would be dropped, replaced or obeyed by a browser are shown as their escapes.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

MEANINGS = {
    "accuracy": "does it answer the question correctly, the judge says",
    "completeness": "does it cover all that was asked, the judge says",
    "answer_f1": "words shared with the reference answer",
    "exact_match": "equal to a reference answer",
    "answer_tokens": "length of the answer, in tokens",
    "answer_words": "length of the answer, in words",
    "cut": "answers cut off at the length limit",
    "mrr": "how high the first good passage stood",
    "right": "answered rightly, or refused where there is no answer",
    "false_answer": "answered although the passages do not hold the answer",
    "false_refusal": "refused although the passages hold the answer",
    "false_answers": "answers although the passages do not hold the answer",
    "false_refusals": "refusals although they do",
    "forgetting": "facts it was not trained on, known before and wrong now",
    "truth_right": "all facts right, checked by program",
    "truth_facts": "share of the facts right, checked by program",
    "truth_wrong": "a wrong fact in the answer, checked by program",
    "truth_refusal": "refused a question that has no answer",
    "truth_false_refusal": "refused a question that has one",
}
OUTCOMES = {
    "promote": "Promote",
    "hold": "Hold",
    "reject": "Reject",
    "inconclusive": "Inconclusive",
}
CONTEXTS = {
    "none": "no passages",
    "retrieved": "retrieved passages",
    "withheld": "passages that cannot answer the question",
    "oracle": "only passages that hold the answer",
    "oracle_distractors": "those, among distracting ones",
    "as answered": "what the other system was shown",
}


def clean(text: str) -> str:
    """Return ``text`` with control characters and lone surrogates escaped, so that UTF-8 and HTML can hold it."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def clip(text: str, most: int) -> str:
    """Return at most ``most`` characters of ``text``, and an ellipsis where some are left out."""
    return text if len(text) <= most else f"{text[: max(most - 1, 0)].rstrip()}…"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with a true minus sign; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text.lstrip("-")


def signed(value: float | None, digits: int = 2) -> str:
    """Return a change with its sign; 0.00 where two digits do not show it."""
    if value is None:
        return "–"
    text = f"{value:+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text[1:]


def sentence(text: str) -> str:
    """Return ``text`` with a capital at its start and true minus signs in its numbers."""
    return text[:1].upper() + re.sub(r"(?<![\w-])-(?=\d)", MINUS, text[1:])


def count(number: int, one: str) -> str:
    """Return a number with its noun: "1 question", "2,000 questions"."""
    return f"{number:,} {one}{'s' * (number != 1)}"


def interval(low: float | None, high: float | None) -> str:
    """Return the ends of an interval of changes."""
    return "" if low is None or high is None else f"{signed(low)} to {signed(high)}"


def label(name: str) -> str:
    """Return a metric's name as words."""
    found = re.fullmatch(r"(hit|recall)_at_(\d+)", name)
    if found:
        return f"{found[1]}@{found[2]}"
    return {"answer_f1": "answer F1", "mrr": "MRR", "cut": "cut off"}.get(name, name.replace("_", " "))


def meaning(name: str) -> str:
    """Return what a metric is, in a few words; empty for one that is not known here."""
    if found := re.fullmatch(r"(hit|recall)_at_(\d+)", name):
        what = "a passage with the evidence is" if found[1] == "hit" else "share of the evidence that is"
        return f"{what} among the first {found[2]}"
    return MEANINGS.get(name, "")
