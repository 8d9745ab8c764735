"""How likely a planned transplant is to happen, given how sensitized its patient is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from exchange.errors import BadRequest
from exchange.pool import FloatArray

_CONSTANT = "constant:"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessRule:
    """Success probabilities by the recipient's cPRA."""

    name: str
    bands: tuple[tuple[float, float], ...]
    """(least cPRA, success probability) of each band; the first starts at cPRA 0, the rest ascend."""
    source: str = ""

    @property
    def description(self) -> str:
        """The rule in words."""
        if len(self.bands) == 1:
            return f"every planned transplant succeeds with probability {self.bands[0][1]:g}"
        parts = ", ".join(f"{success:g} from cPRA {least:g}" for least, success in self.bands)
        return f"success probabilities {parts} ({self.source})"


SURE = SuccessRule(name="1", bands=((0.0, 1.0),))
"""Every planned transplant happens."""

# Dickerson's KidneyExchange code has two rules with failures in two bands, drawn from what UNOS (split at cPRA
# .80: failure .1 below, .9 from there on) and the Alliance for Paired Donation (split at .75: .28, .58) saw. A
# failure is the likelier, the more donors a patient's antibodies rule out; a cPRA at the split counts as highly
# sensitized, as "80 or more" does at UNOS. See Dickerson, Procaccia, Sandholm, "Failure-aware kidney exchange".
UNOS = SuccessRule(
    name="unos",
    bands=((0.0, 0.9), (0.80, 0.1)),
    source="bimodal failure rule for UNOS, Dickerson's KidneyExchange code",
)
APD = SuccessRule(
    name="apd",
    bands=((0.0, 0.72), (0.75, 0.42)),
    source="bimodal failure rule for the Alliance for Paired Donation, Dickerson's KidneyExchange code",
)


def success_rule(text: str) -> SuccessRule:
    """Return the rule that ``1``, ``constant:0.7``, ``unos`` or ``apd`` names.

    Raises
    ------
    BadRequest
        Anything else.
    """
    named = {rule.name: rule for rule in (SURE, UNOS, APD)}
    if text in named:
        return named[text]
    if text.startswith(_CONSTANT):
        try:
            probability = float(text.removeprefix(_CONSTANT))
        except ValueError:
            probability = float("nan")
        if 0.0 <= probability <= 1.0:
            return SuccessRule(name=f"{_CONSTANT}{probability:g}", bands=((0.0, probability),))
    raise BadRequest(
        f"success '{text}' is unknown; give 1, unos, apd, or constant: and a probability, such as constant:0.7"
    )


def success_probability(rule: SuccessRule, cpra: ArrayLike) -> FloatArray:
    """Return the probability that a transplant planned for a patient happens, per cPRA in ``cpra``.

    Examples
    --------
    >>> success_probability(success_rule("constant:0.7"), [0.05, 0.9]).tolist()
    [0.7, 0.7]
    """
    least = np.array([start for start, _ in rule.bands])
    success = np.array([probability for _, probability in rule.bands])
    probabilities: FloatArray = success[np.searchsorted(least, np.asarray(cpra), side="right") - 1]
    return probabilities
