"""A fit in lines of text, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from estimation.results import Fit, Outcome
from estimation.weights import Estimate, ProfileWeights, profile_weights
from survey.design import Attribute, CategoricalAttribute

# A table of more profiles than this is for the file, not for a terminal.
_MOST_ROWS = 60


def fit_lines(fit: Fit) -> Iterator[str]:
    """Yield a table of the estimates with their intervals, and how they were made."""
    yield (
        f"{fit.model}: {fit.n_answers} answers used, {fit.n_indecisions} indecisions among the data, "
        f"{fit.n_clusters} clusters by {fit.clustering}"
    )
    if fit.gate.outcome is Outcome.REGULARIZED:
        yield f"REGULARIZED: {fit.gate.reason}"
    yield (
        f"log-likelihood {fit.log_likelihood:.3f}, per answer {fit.mean_log_likelihood:.4f}; "
        f"{fit.n_parameters} parameters, AIC {fit.aic:.1f}, BIC {fit.bic:.1f}"
    )
    weights = fit.weights
    if isinstance(weights, ProfileWeights):
        shares = profile_weights(weights, weights.profiles, fit.draws)
        rows = sorted(
            zip(weights.profiles, weights.log_strengths, shares, strict=True), key=lambda row: -row[1].value
        )
        yield from _table("profile", [(p.id, e, _weight(w)) for p, e, w in rows[:_MOST_ROWS]])
        if len(rows) > _MOST_ROWS:
            yield f"… and {len(rows) - _MOST_ROWS} more profiles (--out or --json has all)"
    else:
        yield from _table(
            "log-strength per unit or level", [(name, e, "") for name, e in weights.coefficients.items()]
        )
    if fit.others:
        yield from _table("other parameters", [(_words(name, fit), e, "") for name, e in fit.others.items()])
    yield fit.interval_method
    for note in fit.notes:
        if note != fit.gate.reason:
            yield f"Note: {note}"


def _weight(weight: Estimate) -> str:
    interval = "" if weight.low is None else f" ({weight.low:.3g} … {weight.high:.3g})"
    return f"  weight {weight.value:.4g}{interval}"


def _words(name: str, fit: Fit) -> str:
    """Say what the pull of indecision is in this model."""
    if name != "indecision":
        return name
    if fit.model == "rao-kupper":
        return "indecision (log of c)" if fit.specification.by_distance else "indecision (threshold c)"
    return "indecision (lambda)"


def no_design_note(attributes: Sequence[Attribute]) -> str:
    """Say what a fit without the study's design does not know."""
    references = [f"{a.name}={a.level_names[0]}" for a in attributes if isinstance(a, CategoricalAttribute)]
    against = (
        f"; levels are measured against those seen first ({', '.join(references)})" if references else ""
    )
    return (
        "no --design was given and the answers carry the hash of none that is shipped: units are unknown and "
        f"ranges are those seen{against}"
    )


def _table(heading: str, rows: list[tuple[str, Estimate, str]]) -> Iterator[str]:
    width = max(len(heading), *(len(name) for name, _, _ in rows))
    yield f"{heading:<{width}}   estimate   95 % interval"
    for name, e, extra in rows:
        interval = "" if e.low is None or e.high is None else f"{e.low:+#.4g} … {e.high:+#.4g}"
        # Four digits, not four decimals: a coefficient per day or per dollar is small and not zero.
        yield f"{name:<{width}}   {e.value:<+#9.4g}  {interval}{extra}"
