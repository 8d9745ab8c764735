"""Examples as a model's tokens: every prompt with one answer to it, and how much that answer counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_compare.errors import BadModel, CannotTune
from llm_compare.prompting.messages import Message
from llm_compare.tuning.models.local_model import LocalModel
from llm_compare.tuning.training_sets.example import Example
from llm_compare.tuning.training_sets.labels import LabelKind

_BEFORE = 4
"""Tokens at the end of a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A prompt with one answer."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    """With the token that ends the model's turn."""
    weight: float
    """How often the answer's negative log-probability counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedExample:
    """An example as tokens."""

    comparison_id: str
    rows: tuple[Row, ...]
    """One for each answer that somebody gave; their weights sum to the example's."""


def encode(
    model: LocalModel, examples: Sequence[Example], *, labels: LabelKind, first_token: bool = False
) -> list[EncodedExample]:
    """Write examples as tokens of ``model``.

    An example counts once. Of shares, it counts by the number of answers behind it, divided by the mean of these
    numbers: then the loss is, as with single answers, that of the answers (their mean negative log-likelihood),
    and a comparison that 40 people answered pulls twice as much as one that 20 did.

    Parameters
    ----------
    first_token
        Whether the model will be asked by the probabilities of its first token; then each answer must be one.

    Raises
    ------
    NoAnswerToken
        The model cannot write an answer, or cannot tell two of them apart.
    BadModel
        A conversation is longer than the model can read.
    CannotTune
        There are no examples.
    """
    if not examples:
        raise CannotTune("there is no example to train on; take a larger training set")
    mean = sum(e.n for e in examples) / len(examples)
    written = _Written(model=model, first_token=first_token)
    encoded = []
    for example in examples:
        prompt = written.prompt(example.messages)
        answers = written.answers(example)
        weight = example.n / mean if labels is LabelKind.SHARES else 1.0
        rows = tuple(
            Row(prompt=prompt, answer=answers[target.text], weight=weight * target.share)
            for target in example.targets
            if target.share > 0
        )
        longest = max(len(row.prompt) + len(row.answer) for row in rows)
        if model.context is not None and longest > model.context:
            raise BadModel(
                f"a conversation of {longest} tokens (comparison {example.comparison_id}) is longer than "
                f"{model.label} can read ({model.context}); take a model with a longer context, or a "
                "shorter introduction"
            )
        encoded.append(EncodedExample(comparison_id=example.comparison_id, rows=rows))
    return encoded


def merged(examples: Sequence[EncodedExample]) -> list[Row]:
    """Return the rows of a batch, those with the same prompt and answer in one, in their first order.

    Many people give the same answer to the same comparison: what they said is then computed once.
    """
    weights: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}
    for example in examples:
        for row in example.rows:
            weights[row.prompt, row.answer] = weights.get((row.prompt, row.answer), 0.0) + row.weight
    return [Row(prompt=p, answer=a, weight=w) for (p, a), w in weights.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """Prompts and answers as tokens, each worked out once."""

    model: LocalModel
    first_token: bool
    prompts: dict[tuple[Message, ...], tuple[int, ...]] = field(default_factory=dict)
    said: dict[object, dict[str, tuple[int, ...]]] = field(default_factory=dict)

    def prompt(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        if messages not in self.prompts:
            self.prompts[messages] = tuple(self.model.prompt_ids(messages))
        return self.prompts[messages]

    def answers(self, example: Example) -> dict[str, tuple[int, ...]]:
        """Return the tokens of every answer on offer."""
        # How an answer is written depends on what stands right before it, which is the same after most prompts.
        key = (self.prompt(example.messages)[-_BEFORE:], tuple(t.text for t in example.targets))
        if key not in self.said:
            self.said[key] = self._answers(example)
        return self.said[key]

    def _answers(self, example: Example) -> dict[str, tuple[int, ...]]:
        offered = {t.choice: t.text for t in example.targets}
        self.model.check_answers(example.messages, offered, first_token=self.first_token)
        return {text: tuple(self.model.answer_ids(example.messages, text)) for text in offered.values()}
