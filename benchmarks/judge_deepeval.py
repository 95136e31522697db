"""DeepEval's GEval around the same model, as a second peer of `benchmarks.judge`.

DeepEval pins another click, so it has a virtual environment of its own, with this one's packages behind it:

    python -m venv /tmp/deepeval && /tmp/deepeval/bin/pip install deepeval==4.3.1
    python -c "import site; print(site.getsitepackages()[0])" > /tmp/deepeval/lib/python3.11/site-packages/behind.pth
    OMP_NUM_THREADS=1 DEEPEVAL_TELEMETRY_OPT_OUT=YES /tmp/deepeval/bin/python -m benchmarks.judge_deepeval

The model writes 100 tokens for each call, as in `benchmarks.judge`; random weights write no JSON, so what DeepEval
reads afterwards is a fixed reply. Evaluation steps are given, so that it asks for none.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from deepeval.metrics import GEval  # type: ignore[import-not-found]
from deepeval.models.base_model import DeepEvalBaseLLM  # type: ignore[import-not-found]
from deepeval.test_case import LLMTestCase, SingleTurnParams  # type: ignore[import-not-found]

from benchmarks.judge import MESSAGES, REPEATS, REPLY_TOKENS, by_ragft, make_base, messages
from ragft.models.chat import prompt_ids
from ragft.models.loading import LoadedModel, load_base
from ragft.prompts.criterion import load_criterion
from tests.tiny_model import fixture_texts

WORDS_OF_THE_REFERENCE = 380


class WrappedModel(DeepEvalBaseLLM):  # type: ignore[misc] # deepeval is not in this environment
    """The benchmark's model behind DeepEval's interface."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.prompt_tokens: list[int] = []
        super().__init__("local")

    def load_model(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401
        """Return the model."""
        return self.loaded.model

    def generate(self, prompt: str, *_: Any, **__: Any) -> str:  # noqa: ANN401
        """Sample a reply, and return one that DeepEval can read."""
        ids = torch.tensor([prompt_ids(self.loaded.tokenizer, prompt)])
        self.prompt_tokens.append(ids.shape[1])
        with torch.no_grad():
            self.loaded.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                max_new_tokens=REPLY_TOKENS, pad_token_id=self.loaded.tokenizer.pad_token_id,
            )  # fmt: skip
        return '{"reason": "It agrees.", "score": 7}'

    async def a_generate(self, prompt: str, *_: Any, **__: Any) -> str:  # noqa: ANN401
        """Return the same, for DeepEval's other path."""
        return self.generate(prompt)

    def get_model_name(self, *_: Any, **__: Any) -> str:  # noqa: ANN401
        """Return a name."""
        return "local"


def main() -> None:
    """Run both, one message after the other, and print CPU time a message."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    criterion = load_criterion("accuracy")
    words = " ".join(fixture_texts()).split()
    with tempfile.TemporaryDirectory() as folder:
        wrapped = WrappedModel(load_base(str(make_base(Path(folder) / "base"))))
        metric = GEval(
            name="accuracy", model=wrapped, evaluation_steps=list(criterion.steps), async_mode=False,
            evaluation_params=[
                SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT, SingleTurnParams.EXPECTED_OUTPUT,
            ],
        )  # fmt: skip
        began = time.process_time()
        for number in range(MESSAGES):
            start = number * 900
            case = LLMTestCase(
                input="What is proposed?", actual_output=" ".join(words[start : start + 40]),
                expected_output=" ".join(words[start : start + WORDS_OF_THE_REFERENCE]),
            )  # fmt: skip
            for _ in range(REPEATS):
                metric.measure(case, _show_indicator=False)
        theirs = (time.process_time() - began) * 1000 / MESSAGES
        asked = messages(wrapped.loaded, reasoned=True)
        began = time.process_time()
        by_ragft(wrapped.loaded, asked, "sampled")
        ours = (time.process_time() - began) * 1000 / MESSAGES
    tokens = wrapped.prompt_tokens
    print(f"DeepEval GEval: {theirs:8.1f} ms CPU a message, its prompts have {min(tokens)} to {max(tokens)} tokens")
    print(f"ragft sampled:  {ours:8.1f} ms CPU a message, ratio {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
