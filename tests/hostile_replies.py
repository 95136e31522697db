"""Replies that a judge's server might send to crash, stall or deceive: strategies for hypothesis, and the longest."""

import json
from typing import Any

from hypothesis import strategies as st

PIECES = (
    "Score:", "score :", "Score: 4", "Score: 5/5", "/5", "/5 or 5", " of 5", "Reason:", "Accuracy: 2", "Scores",
    "4", "5.0", "²", "½", "٣", "０", "-", "+", "?", "%", "(", ")", "[", "{", '{"score":', "}", '"', "'", "\\boxed{",
    "$", "```", "```json\n", "\n", "\r\n", "\u2028", "\t", " ", "*", "_", "`", "#", ">", "<think>", "</think>",
    "\u200b", "\u202e", "\u0301", "\u0f73", "\ufdfa", "\ufeff", "\x00", "\ud800", "\udfff", "\U0001f469\u200d",
    "I'm sorry", "nan", "Infinity", "1e999", "[INST]", "<|im_end|>",
)  # fmt: skip
# Numbers that JSON of some servers holds although no number of tokens and no log probability is one.
NUMBERS: tuple[Any, ...] = (
    0, -0.0, -1, -0.7, -9999.0, 1e-9, 0.5, 3.0, 800.0, -800.0, 1e308, 10**400, -(10**400), float("inf"), float("-inf"),
    float("nan"), True, False, None, "0", "-0.1", "", [], {}, [0.1], {"a": -1},
)  # fmt: skip
texts = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.builds(
        lambda piece, times, end: piece * times + end,
        st.sampled_from(PIECES),
        st.integers(1, 400),
        st.sampled_from(PIECES),
    ),
    st.text(max_size=40),
)
odd = st.sampled_from(NUMBERS)
tokens = st.fixed_dictionaries(
    {"token": st.one_of(st.sampled_from(("Score", ":", " 5", "4", "\n", "")), texts), "logprob": odd},
    optional={
        "top_logprobs": st.one_of(
            odd,
            st.lists(st.fixed_dictionaries({"token": st.sampled_from((" 5", "4", "x")), "logprob": odd}), max_size=3),
        )
    },
)
logprobs = st.one_of(odd, st.fixed_dictionaries({"content": st.one_of(odd, st.lists(tokens, max_size=6))}))
messages = st.one_of(
    odd, st.fixed_dictionaries({"content": st.one_of(texts, texts, odd)}, optional={"refusal": st.one_of(texts, odd)})
)
choices = st.one_of(
    odd,
    st.fixed_dictionaries(
        {"message": messages}, optional={"logprobs": logprobs, "finish_reason": st.one_of(st.just("length"), odd)}
    ),
)
bodies = st.one_of(
    st.binary(max_size=60),
    odd.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"choices": st.one_of(odd, st.lists(choices, max_size=3))},
        optional={
            "usage": st.one_of(odd, st.dictionaries(st.sampled_from(("prompt_tokens", "completion_tokens")), odd)),
            "model": st.one_of(texts, odd),
            "system_fingerprint": st.one_of(texts, odd),
        },
    ).map(lambda value: json.dumps(value).encode()),
)
waits = st.one_of(
    texts.map(lambda text: text.encode("utf-8", "replace").decode("latin-1")),
    st.sampled_from(
        ("²", "1e9", "9" * 500, "-1", "nan", "inf", "Mon, 01 Jan 0001 00:00:00 GMT", "Mon, 99 Jan 99999 25:61:61 +9999")
    ),
    st.text(st.characters(max_codepoint=255), max_size=60),
)

LONG = 160_000
LONGEST = {
    "scores of scores": f"Score: 5{'/5' * LONG}",
    "scales in words": f"Score: 5{' of 5' * (LONG // 5)}",
    "marks on a letter": f"Score: 4 a{chr(0x301) * LONG}",
    "what becomes marks": f"Score: 4 a{chr(0xF73) * LONG}",
    "what becomes words": f"Score: 4 {chr(0xFDFA) * LONG}",
    "brackets": "[" * LONG,
    "objects": '{"score":' * (LONG // 9),
    "pairs": "Score: " + "([{<" * (LONG // 8) + "4" + ">}])" * (LONG // 8),
    "score lines": "Score: 4\n" * (LONG // 9),
    "blanks": "Score:" + " " * LONG + "4",
    "lines": "\n" * LONG + "Score: 4",
    "code fences": "```\n" * (LONG // 4),
    "thinking": "<think>" * (LONG // 7) + "Score: 4",
    "digits": f"Score: {'9' * LONG}",
    "one number in JSON": f'{{"score": {"9" * LONG}}}',
    "quotes": "Score: " + "'\"" * (LONG // 2),
}
