"""Respondents that follow a rule of a few lines: for tests, demonstrations and as landmarks in comparisons.

They are no models. Their names begin with ``scripted/`` and every output says so. Their replies are texts like a
model's, and go through the same store and parser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from llm_compare.errors import CannotAsk, UnknownModel
from llm_compare.plan import SCRIPTED, Request
from llm_compare.reply import Reply
from survey.answers import Presentation
from survey.design import CategoricalAttribute, Profile, StudyDesign

Script = Callable[[StudyDesign, Presentation, np.random.Generator], str]
"""(design, presentation, rng) -> raw reply in the letter format."""


def youngest_first(design: StudyDesign, shown: Presentation, rng: np.random.Generator) -> str:
    """Choose the younger patient; at equal age flip a coin where that is offered, else answer A."""
    left, right = _age(design, shown.left), _age(design, shown.right)
    if left == right:
        return "C" if shown.indecision_offered else "A"
    return "A" if left < right else "B"


def always_left(design: StudyDesign, shown: Presentation, rng: np.random.Generator) -> str:
    """Choose whoever stands on the left."""
    return "A"


def coin(design: StudyDesign, shown: Presentation, rng: np.random.Generator) -> str:
    """Leave it to the coin where that is offered, else to the random generator."""
    return "C" if shown.indecision_offered else "AB"[int(rng.integers(2))]


SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        f"{SCRIPTED}youngest-first": youngest_first,
        f"{SCRIPTED}always-left": always_left,
        f"{SCRIPTED}coin": coin,
    }
)


class ScriptedRespondent:
    """Answers requests by a script, in this process.

    Each reply draws from a generator seeded by the request itself and its repeat, so it does not depend on the
    order of calls. Put a seed into the settings to get other draws.
    """

    def __init__(self, design: StudyDesign, model: str) -> None:
        if model not in SCRIPTS:
            raise UnknownModel(f"no scripted respondent is called '{model}'; there are {', '.join(SCRIPTS)}")
        if SCRIPTS[model] is youngest_first and not any(a.name == "age" for a in design.attributes):
            raise CannotAsk(
                f"{model} needs an attribute called 'age', but study '{design.slug}' has "
                f"{', '.join(a.name for a in design.attributes)}; use another respondent"
            )
        self._design = design
        self._script = SCRIPTS[model]

    async def reply(self, request: Request) -> Reply:
        """Return the script's answer to ``request``, without times: they would say nothing."""
        rng = np.random.default_rng([int(request.key, 16), request.repeat])
        return Reply(
            content=self._script(self._design, request.presentation, rng),
            finish_reason="stop",
            returned_model=request.model,
        )

    async def close(self) -> None:
        """Nothing is open."""


def _age(design: StudyDesign, profile: Profile) -> float:
    attribute = design.attribute("age")
    value = profile["age"]
    if isinstance(attribute, CategoricalAttribute):
        # Levels carry no order of their own: the favoured one counts as youngest, the rest as listed.
        return -1.0 if value == attribute.favoured else float(attribute.level_names.index(str(value)))
    return float(value)
