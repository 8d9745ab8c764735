"""Which model is fitted, in one value that goes into every result."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from estimation.effects import EffectKind, Shape
from estimation.errors import EstimationError
from estimation.indecision.davidson import Davidson
from estimation.indecision.decided import Decided
from estimation.indecision.dom import Dom
from estimation.indecision.forced import Forced
from estimation.indecision.max_delta import MaxDelta
from estimation.indecision.max_u import MaxU
from estimation.indecision.min_u import MinU
from estimation.indecision.mixture import Mixture
from estimation.indecision.rao_kupper import RaoKupper
from estimation.indecision.rule import Rule


class Model(StrEnum):
    """The estimators, by the name used on the command line and in files."""

    BRADLEY_TERRY = "bradley-terry"
    """One strength per profile, from decided answers (choix)."""
    CONDITIONAL_LOGIT = "conditional-logit"
    """One coefficient per attribute, from decided answers."""
    DAVIDSON = "davidson"
    """One strength per profile and the pull of indecision: likely when two profiles are close."""
    RAO_KUPPER = "rao-kupper"
    """One strength per profile and a threshold below which a difference goes unnoticed."""
    MIN_DELTA = "min-delta"
    """Davidson's model with a coefficient per attribute: indecision is likely when the two patients are close."""
    MAX_DELTA = "max-delta"
    """Indecision is likely when the two patients are far apart."""
    MIN_U = "min-u"
    """Indecision is likely when both patients are unattractive."""
    MAX_U = "max-u"
    """Indecision is likely when both patients are attractive."""
    DOM = "dom"
    """Indecision is likely when neither patient is better in every attribute."""
    MIXTURE = "mixture"
    """Each answer follows one of several of these, nobody knows which."""


_OF_PROFILES = (Model.BRADLEY_TERRY, Model.DAVIDSON, Model.RAO_KUPPER)
DECIDED_ONLY = (Model.BRADLEY_TERRY, Model.CONDITIONAL_LOGIT)
"""Models that leave indecision out, or count it as two half wins."""


class Regularize(StrEnum):
    """What to do where no finite estimate exists."""

    IF_NEEDED = "if-needed"
    """Add prior answers only then; the result says so first."""
    NEVER = "never"
    """Refuse, naming what runs away."""
    ALWAYS = "always"
    """Add them in any case, e.g. so that several fits are made alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """A model with everything that can be chosen about it."""

    model: Model
    effects: EffectKind | None = None
    """None: profiles for Bradley-Terry, Davidson and Rao-Kupper, attributes for the others."""
    shape: Shape = field(default_factory=Shape)
    half_wins: bool = False
    """Count an indecision as half a win for each (models of decided answers only)."""
    order_effect: bool = False
    """Estimate what being shown first (left) adds to a log-strength (Davidson and Beaver 1977)."""
    order_by_group: bool = False
    """Give each group of answers its own order effect: people and models differ in it most."""
    by_distance: bool = False
    """Let the pull of indecision depend on how different the two profiles' attributes are."""
    pull_by_group: bool = False
    """Give each group of answers its own pull of indecision."""
    effects_by_group: bool = False
    """Give each group of answers its own attribute effects (subject covariates)."""
    forced: bool = False
    """Estimate the share q of indecisions that people settle by a coin where indecision was not offered."""
    components: tuple[Model, ...] = ()
    """Of a mixture."""
    n_starts: int = 20
    """Starts of models whose likelihood may have several maxima."""
    regularize: Regularize = Regularize.IF_NEEDED
    prior_answers: float | None = None
    """Weight of the prior answers. None: half a win and half a loss of every profile against a ghost profile; for
    attribute models one answer per parameter."""
    seed: int = 0
    """Of the starts, draws and bootstraps."""

    @property
    def effect_kind(self) -> EffectKind:
        """What log-strengths are made of."""
        return self.effects or (EffectKind.PROFILES if self.model in _OF_PROFILES else EffectKind.ATTRIBUTES)

    @property
    def has_order(self) -> bool:
        """Whether being shown first may add something."""
        return self.order_effect or self.order_by_group

    @property
    def uses_indecision(self) -> bool:
        """Whether indecisions are explained, rather than left out or split."""
        return self.model not in DECIDED_ONLY

    def check(self) -> None:
        """Raise :class:`EstimationError` if the choices do not go together, saying which."""
        by_profile = self.effect_kind is EffectKind.PROFILES
        if self.half_wins and self.uses_indecision:
            raise EstimationError(
                f"{self.model} explains indecisions, so they cannot be half wins, too; leave half wins to "
                "bradley-terry and conditional-logit"
            )
        if not self.uses_indecision and (self.by_distance or self.pull_by_group or self.forced):
            raise EstimationError(
                f"{self.model} has no pull of indecision that could depend on anything; choose a model that "
                "explains indecision, such as --model min-delta"
            )
        if by_profile and (self.shape != Shape() or self.effects_by_group):
            raise EstimationError(
                "free profiles have no attribute effects to shape or to split by group; "
                "fit attributes (--effects attributes)"
            )
        if by_profile and self.model in (Model.DOM, Model.CONDITIONAL_LOGIT):
            raise EstimationError(f"{self.model} is made of attributes; leave --effects out")
        if self.model is Model.MIXTURE and (len(self.components) < 2 or Model.MIXTURE in self.components):
            raise EstimationError(
                "a mixture needs two or more components that are no mixtures themselves; name each (--component)"
            )
        if self.model is Model.MIXTURE and (self.forced or self.shape.monotone or self.effects_by_group):
            raise EstimationError(
                "a mixture allows neither forced answers, monotone effects nor effects by group"
            )
        if self.model is Model.MIXTURE and all(model in DECIDED_ONLY for model in self.components):
            raise EstimationError("a mixture needs a component that explains indecision, such as min-delta")
        if self.model is not Model.MIXTURE and self.components:
            raise EstimationError("only a mixture has components; leave them out, or give --model mixture")
        if self.shape.monotone and not self.rule(1).concave:
            raise EstimationError(
                f"monotone effects need a model with a single maximum; {self.model} may have more"
            )
        if self.prior_answers is not None and not 0 < self.prior_answers < float("inf"):
            raise EstimationError(
                f"prior answers: {self.prior_answers} is no number of answers; give more than 0"
            )
        if self.n_starts < 1:
            raise EstimationError("give at least one start")

    def rule(self, n_attributes: int) -> Rule:
        """Return the rule of the model for profiles of so many attributes."""
        rule: Rule
        if self.model is Model.MIXTURE:
            rule = Mixture(tuple(_rule(model, n_attributes) for model in self.components))
        elif self.model is Model.RAO_KUPPER and self.by_distance:
            rule = RaoKupper(log_threshold=True)
        else:
            rule = _rule(self.model, n_attributes)
        return Forced(rule) if self.forced else rule


def _rule(model: Model, n_attributes: int) -> Rule:
    rules: dict[Model, Rule] = {
        Model.BRADLEY_TERRY: Decided(),
        Model.CONDITIONAL_LOGIT: Decided(),
        Model.DAVIDSON: Davidson(),
        Model.MIN_DELTA: Davidson(),
        Model.RAO_KUPPER: RaoKupper(),
        Model.MIN_U: MinU(),
        Model.MAX_U: MaxU(),
        Model.MAX_DELTA: MaxDelta(),
        Model.DOM: Dom(n_attributes),
    }
    return rules[model]
