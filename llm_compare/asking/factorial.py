"""Every combination of the levels of several factors, as named variants of the prompt. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from llm_compare.asking.protocol import AskedVariant, Choices
from llm_compare.asking.protocol_tables import FactorialTable
from llm_compare.prompting.variant import Paraphrase, Variant

_ONLY = "factorial"
"""Name of the one variant where no factor has two levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    key: str
    """Of ``Variant``, or of ``Choices``."""
    value: Any
    word: str
    """What it adds to a variant's name; empty where its factor has no other level."""


def crossed(table: FactorialTable, paraphrases: Sequence[Paraphrase | None]) -> list[AskedVariant]:
    """Return a variant for every combination of levels, named by the levels of the factors that vary.

    Parameters
    ----------
    paraphrases
        Those that ``table.paraphrases`` names, in order; None for the design's own words.
    """
    wording = [
        _levels("framing", table.framings, [f.value for f in table.framings]),
        _levels("persona", table.personas, [_numbered("persona", i, p) for i, p in _counted(table.personas)]),
        _levels("answer_format", table.answer_formats, [f.value for f in table.answer_formats]),
        _levels("indecision", table.indecisions, [f.value for f in table.indecisions]),
        _levels("language", table.languages, [tag or "design-language" for tag in table.languages]),
        _levels("paraphrase", paraphrases, ["own-words" if p is None else p.name for p in paraphrases]),
        _levels("marks", table.marks, [m.value for m in table.marks]),
        _levels(
            "indecision_place", table.indecision_places, [f"indecision-{p}" for p in table.indecision_places]
        ),
    ]
    efforts: Sequence[str | None] = table.reasoning_efforts or [None]
    temperatures: Sequence[float | None] = table.temperatures or [None]
    settings = [
        _levels("temperature", temperatures, ["" if t is None else f"t{t:g}" for t in temperatures]),
        _levels("reasoning_effort", efforts, [f"reasoning-{e}" for e in efforts]),
    ]
    found = []
    for levels in product(*wording, *settings):
        said, set_to = levels[: len(wording)], levels[len(wording) :]
        name = "+".join(level.word for level in levels if level.word) or _ONLY
        found.append(
            AskedVariant(
                variant=Variant(name=name, **{level.key: level.value for level in said}),
                choices=Choices(**{level.key: level.value for level in set_to}),
            )
        )
    return found


def _levels(key: str, values: Sequence[Any], words: Sequence[str]) -> list[_Level]:
    varies = len(values) > 1
    return [
        _Level(key=key, value=value, word=word if varies else "")
        for value, word in zip(values, words, strict=True)
    ]


def _counted(texts: Sequence[str]) -> list[tuple[int, str]]:
    return list(enumerate(texts, start=1))


def _numbered(word: str, number: int, text: str) -> str:
    return f"{word}-{number}" if text.strip() else f"no-{word}"
