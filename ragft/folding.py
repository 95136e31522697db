"""Text in Unicode's normal forms, in time that grows with its length alone, and without lone surrogates."""

import unicodedata
from typing import Literal

Form = Literal["NFC", "NFKC", "NFKD"]
# Unicode's Stream-Safe Text Format (UAX 15): nothing that people write has more marks on one letter.
MOST_MARKS = 30


def normal_form(form: Form, text: str) -> str:
    """Return ``text`` in a normal form; of the combining marks on one letter, those after the 30th are left out.

    Sorting the marks of a letter takes quadratic time in their number: 160,000 of them took 20 seconds.
    """
    return text if text.isascii() else unicodedata.normalize(form, _few_marks(text))


def without_lone_surrogates(text: str) -> str:
    """Return ``text`` with each lone surrogate as U+FFFD, so that UTF-8 can hold it; whole pairs become their sign."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _few_marks(text: str) -> str:
    # Some characters are not marks themselves and become nothing but marks.
    marks = {sign for sign in set(text) if unicodedata.combining(unicodedata.normalize("NFKD", sign)[0])}
    if not marks:
        return text
    kept, run = [], 0
    for sign in text:
        run = run + 1 if sign in marks else 0
        if run <= MOST_MARKS:
            kept.append(sign)
    return "".join(kept)
