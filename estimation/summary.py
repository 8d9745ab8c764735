"""A fit in lines of text, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from estimation.results import Fit
from estimation.weights import Estimate, ProfileWeights
from survey.design import Attribute, CategoricalAttribute


def fit_lines(fit: Fit) -> Iterator[str]:
    """Yield a table of the estimates with their intervals, and how they were made."""
    yield (
        f"{fit.model}: {fit.n_answers} answers used, {fit.n_indecisions} indecisions among the data, "
        f"{fit.n_clusters} clusters by {fit.clustering}"
    )
    yield f"log-likelihood {fit.log_likelihood:.3f}, per answer {fit.mean_log_likelihood:.4f}"
    weights = fit.weights
    if isinstance(weights, ProfileWeights):
        yield from _table(
            "profile",
            [
                (p.id, e, f"  weight {weights.weight(p):.4g}")
                for p, e in sorted(
                    zip(weights.profiles, weights.log_strengths, strict=True), key=lambda row: -row[1].value
                )
            ],
        )
    else:
        rows = [(name, e, "") for name, e in weights.coefficients.items()]
        if fit.indecision:
            rows.append(("indecision (lambda)", fit.indecision, ""))
        yield from _table("log-strength per unit or level", rows)
    yield fit.interval_method
    for note in fit.notes:
        yield f"Note: {note}"


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
