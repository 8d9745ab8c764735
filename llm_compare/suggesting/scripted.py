"""Respondents that name attributes out of a stated list: a truth to recover in tests, a demonstration without keys.

They are no models. Their replies are texts in the form that was asked for, and are read like a model's.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from llm_compare.errors import CannotAsk, UnknownModel
from llm_compare.prompting.call import SCRIPTED
from llm_compare.prompting.words import prompt_words
from llm_compare.replies.reply import Reply
from llm_compare.suggesting.open_question import Form, OpenCall, Part
from survey.suggestions import EntryProblem, Stance, read_entry

LIST = f"{SCRIPTED}list:"
"""Beginning of ``scripted/list:my-list.toml``."""
USUAL = f"{SCRIPTED}usual"
"""A list of attributes that ships with the program; see ``usual.toml``."""
NOTHING = f"{SCRIPTED}nothing"
DECLINES = f"{SCRIPTED}declines"
SCRIPTS = (USUAL, NOTHING, DECLINES, f"{LIST}FILE")

_DECLINED = "I'm sorry, but I can't help with deciding who should get a kidney."
_KEYS = frozenset({"stance", "text", "why", "direction", "probability"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedSuggestion:
    """A suggestion, and how often it is made."""

    stance: Stance
    text: str
    why: str = ""
    direction: str = ""
    probability: float
    """That one repeat names it, whatever else it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a scripted respondent goes by."""

    stated: tuple[StatedSuggestion, ...] = ()
    declines: bool = False
    sha256: str
    """Of the list and the rule: other lists are other calls."""


def script_of(model: str) -> Script:
    """Return the script that a model string names.

    Raises
    ------
    UnknownModel
        There is none of that name.
    CannotAsk
        Its list cannot be read; the message names file and entry.
    """
    if model == USUAL:
        text = (resources.files("llm_compare.suggesting") / "usual.toml").read_text(encoding="utf-8")
        return _script(text, "usual.toml")
    if model == NOTHING:
        return Script(sha256=_sha256(NOTHING))
    if model == DECLINES:
        return Script(declines=True, sha256=_sha256(DECLINES))
    if model.startswith(LIST):
        path = Path(model.removeprefix(LIST))
        try:
            return _script(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise CannotAsk(f"{model}: {error.strerror}; name an existing file") from None
        except UnicodeDecodeError:
            raise CannotAsk(f"{path}: is not UTF-8 text") from None
    raise UnknownModel(f"no scripted respondent is called '{model}'; there are {', '.join(SCRIPTS)}")


class ScriptedSuggester:
    """Answers open questions by a script, in this process.

    Each reply draws from a generator seeded by the call and its repeat, so it does not depend on the order of
    calls. Every stated suggestion is named with its own probability, whatever else is named.
    """

    def __init__(self, script: Script) -> None:
        self._script = script

    async def reply(self, request: OpenCall, /) -> Reply:
        """Return the script's answer in the form that was asked for."""
        if self._script.declines:
            return Reply(content=_DECLINED, finish_reason="stop")
        rng = np.random.default_rng([int(request.key, 16), request.repeat])
        own = [s for s in self._script.stated if s.stance is request.question.stance]
        named = [s for s, drawn in zip(own, rng.random(len(own)), strict=True) if drawn < s.probability]
        return Reply(content=_said(named, request), finish_reason="stop")

    async def close(self) -> None:
        """Nothing is open."""


def _said(named: Sequence[StatedSuggestion], request: OpenCall) -> str:
    rows = [{part: str(getattr(s, part)) for part in request.parts} for s in named]
    if request.form is Form.JSON:
        return json.dumps({"suggestions": rows}, ensure_ascii=False)
    if not rows:
        return prompt_words(request.language).suggestions["nothing_word"]
    return "\n".join(" | ".join(row[part] for part in request.parts) for row in rows)


def _script(text: str, where: str) -> Script:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotAsk(f"{where}: is not TOML ({error})") from None
    listed = document.get("suggestion")
    if not isinstance(listed, list) or not listed or document.keys() != {"suggestion"}:
        raise CannotAsk(f"{where}: write one [[suggestion]] for each, and nothing else")
    return Script(
        stated=tuple(_stated(one, f"{where}: suggestion {i}") for i, one in enumerate(listed, start=1)),
        sha256=_sha256(text),
    )


def _stated(given: object, where: str) -> StatedSuggestion:
    if not isinstance(given, dict):
        raise CannotAsk(f"{where}: write it as a table [[suggestion]]")
    if unknown := sorted(given.keys() - _KEYS):
        raise CannotAsk(f"{where}: {unknown[0]} is not known; the keys are {', '.join(sorted(_KEYS))}")
    if given.get("stance") not in tuple(Stance):
        raise CannotAsk(f"{where}: stance: write 'should' or 'should_not'")
    parts = {part.value: given.get(part.value, "") for part in Part}
    if not all(isinstance(words, str) for words in parts.values()):
        raise CannotAsk(f"{where}: text, why and direction are text")
    if any("|" in words or "\n" in words for words in parts.values()):
        raise CannotAsk(f"{where}: leave out '|' and line ends, which divide suggestions from each other")
    entry = read_entry(parts)
    if entry is None or isinstance(entry, EntryProblem):
        raise CannotAsk(f"{where}: text is missing, or something is longer than people may write")
    probability = given.get("probability")
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise CannotAsk(f"{where}: probability: write a number from 0 to 1")
    return StatedSuggestion(
        stance=Stance(given["stance"]),
        text=entry.text,
        why=entry.why,
        direction=entry.direction,
        probability=float(probability),
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
