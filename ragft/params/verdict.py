"""How a version and its base are compared, what decides, and what follows."""

from dataclasses import dataclass

from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.params.base import param
from ragft.params.checks import listed, points
from ragft.params.scoring import ScoringParams
from ragft.params.values import ALL, GUARD_MARGIN, GUARDS, MEASURES, ON_REJECT


@dataclass(frozen=True, kw_only=True)
class VerdictParams(ScoringParams):
    """What is compared with what, and what decides."""

    model: str = param("challenger", "the version: challenger, models:/<name>@<alias>, models:/<name>/3")
    against: str = param("champion", "what it should replace: champion, or a version")
    margin: float = param(0.05, "non-inferiority margin, as a share of a criterion's range", minimum=0.001, maximum=0.5)
    primary: str = param(
        "",
        f"what says whether it is better, joined by commas: criteria, or {', '.join(MEASURES)}; empty: right where the "
        "data have short answers, else accuracy,completeness, or answer_f1 where nothing is judged",
    )
    guards: str = param(
        ",".join(GUARDS),
        f"harm that must not rise, joined by commas, as name or name=points (usual margin: {GUARD_MARGIN:g} percentage "
        "points); none: no guard",
    )
    advisory: bool = param(False, "let a judge that is only advisory promote (recorded)")
    uniform_labels: bool = param(
        False,
        "people's labels of which it is not known how their questions were drawn are a uniform sample: let them count "
        "(recorded)",
    )

    def primaries(self) -> tuple[str, ...]:
        """Return the primaries that were named, none where the usual ones are meant.

        Raises:
            ConfigError: If one is named twice.
        """
        named = entries(self.primary)
        if len(set(named)) < len(named):
            raise ConfigError(f"primary is {self.primary!r}: name each once")
        return named

    def guard_margins(self) -> dict[str, float]:
        """Return guard -> by how many percentage points its rate may rise.

        Raises:
            ConfigError: If a guard does not exist or is named twice, or its margin is not above 0 and below 100.
        """
        if self.guards.strip() == "none":
            return {}
        split = [entry.partition("=") for entry in entries(self.guards)]
        names = listed("guards", ",".join(name.strip() for name, _, _ in split), GUARDS)
        return {
            name: points(name, margin) if equals else GUARD_MARGIN
            for name, (_, equals, margin) in zip(names, split, strict=True)
        }

    def __post_init__(self) -> None:
        """Check both lists too, so that a typing error is found before any work."""
        super().__post_init__()
        self.primaries()
        self.guard_margins()


@dataclass(frozen=True, kw_only=True)
class SidesParams(VerdictParams):
    """Two sides: a version and what it should replace, or two files of answers."""

    against: str = param("champion", "what it should replace: champion, a version, or with answers a file of answers")
    answers: str = param(
        "",
        "compare two files instead of versions, this one and against (input, output, expected_output, context); then "
        "no model answers",
    )

    def __post_init__(self) -> None:
        """Check that a file is not compared with a version."""
        super().__post_init__()
        if self.answers.strip() and (self.against == "champion" or self.against.startswith("models:/")):
            raise ConfigError(
                f"answers is {self.answers!r} and against is {self.against!r}: name the file of the other answers, "
                "-P against=base.jsonl"
            )


@dataclass(frozen=True, kw_only=True)
class CompareParams(SidesParams):
    """Compare a version with the champion, or two files of answers, question by question; the verdict is a run."""

    on_reject: str = param("record", "what the verdict reject does to the exit code", choices=ON_REJECT)
    verify: bool = param(
        False,
        "the version's answers that its promise (evaluate -P verify=True) lets not leave count as abstentions; the "
        "other side's too, if it has one",
    )

    def __post_init__(self) -> None:
        """Check that what is verified is a version."""
        super().__post_init__()
        if self.verify and self.answers.strip():
            raise ConfigError(
                f"answers is {self.answers!r} and verify true: a promise is kept with a version, and files are "
                "compared as they are; leave verify out"
            )


@dataclass(frozen=True, kw_only=True)
class LabelParams(SidesParams):
    """Ask people about the answers whose labels say most about a verdict, or read what they said."""

    budget: int = param(60, "how many questions people are asked about, both answers of each", minimum=1)
    asked_twice: int = param(5, "questions of these that are asked a second time, for a person's own noise", minimum=0)
    sheet: str = param(
        "", "where the sheet is written (.csv), and the page beside it (.html); empty: under sheets in the home folder"
    )
    ratings: str = param("", "filled-in sheets, or files that the page saved, joined by commas; empty: write them")

    def __post_init__(self) -> None:
        """Check that the page does not overwrite the sheet."""
        super().__post_init__()
        if self.sheet.strip() and not self.sheet.endswith(".csv"):
            raise ConfigError(f"sheet is {self.sheet!r}, expected a name that ends in .csv; the page lies beside it")


@dataclass(frozen=True, kw_only=True)
class PromoteParams(VerdictParams):
    """Compare, and act on the verdict: move the champion, or mark the version with the reasons."""

    force: bool = param(False, "promote against the verdict (recorded for ever; needs a reason)")
    reason: str = param("", "why the verdict is overruled")
    on_reject: str = param("record", "what a verdict other than promote does to the exit code", choices=ON_REJECT)
    verify: bool = param(
        False, "as in compare; needed for a version with a promise, whose answers are checked where it is served"
    )

    def __post_init__(self) -> None:
        """Check that whoever overrules the verdict says why, and that what is verified is compared as it is served."""
        super().__post_init__()
        if self.verify and (self.collection != ALL or self.retrieved.strip()):
            raise ConfigError(
                f"verify is true, collection {self.collection!r} and retrieved {self.retrieved!r}: a version is served "
                f"with passages of all documents, and so its answers are checked there; add -P collection={ALL} and "
                "leave retrieved out"
            )
        if self.force != bool(self.reason.strip()):
            raise ConfigError(f"force is {self.force} and reason is {self.reason!r}: give both, or neither")
