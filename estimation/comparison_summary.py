"""A comparison of models in lines of text, for the terminal, and as JSON holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import shorten
from typing import Any

from estimation.conventions import conventions_lines, conventions_record
from estimation.held_out import Score
from estimation.likelihood_ratio import test_lines
from estimation.model_comparison import REFUSED, Comparison, Row

# The terminal shows so much of a reason; the file has all of it.
_MOST_REASON = 200


def comparison_record(found: Comparison) -> dict[str, object]:
    """Return the comparison as JSON holds it."""
    return {
        "n_answers": found.n_answers,
        "n_indecisions": found.n_indecisions,
        "n_clusters": found.n_clusters,
        "all_answers": [_row_record(row) for row in found.everything],
        "decided_answers": [_row_record(row) for row in found.decided],
        "baselines": {name: _score_record(score) for name, score in found.baselines},
        "folds": found.n_folds,
        "seed": found.seed,
        "tests_of": found.tested,
        "tests": [asdict(t) for t in found.tests],
        "conventions": conventions_record(found.conventions) if found.conventions else None,
        "rules": list(found.rules),
        "recommended": found.recommended,
        "recommendation": list(found.recommendation),
        "notes": list(found.notes),
    }


def comparison_lines(found: Comparison) -> Iterator[str]:
    """Yield the comparison as lines for the terminal."""
    yield (
        f"{found.n_answers} answers, {found.n_indecisions} of them indecision, {found.n_clusters} clusters; "
        + (f"{found.n_folds} folds, seed {found.seed}" if found.n_folds else "nobody held out")
    )
    yield from _table_lines("All answers", found.everything)
    for name, score in found.baselines:
        yield f"  {name}: held out {score.log_likelihood:.4f} ± {score.se:.4f}"
    if found.decided:
        yield ""
        yield from _table_lines("Decided answers", found.decided, refusals=False)
    if found.tests:
        yield ""
        yield f"Tests of what could be added to {found.tested}"
        for line in test_lines(found.tests):
            yield f"  {line}"
    if found.conventions:
        yield ""
        yield "Conventions for indecision: weights (largest = 1) with 95 % intervals"
        for line in conventions_lines(found.conventions):
            yield f"  {line}"
    yield ""
    yield from found.recommendation
    yield "Rules:"
    for rule in found.rules:
        yield f"  - {rule}"
    for note in found.notes:
        yield f"Note: {note}"


def _row_record(row: Row) -> dict[str, Any]:
    return {
        "model": row.name,
        "outcome": row.outcome,
        "reason": row.reason,
        "parameters": row.n_parameters,
        "log_likelihood": row.log_likelihood,
        "aic": row.aic,
        "bic": row.bic,
        "held_out": _score_record(row.held_out) if row.held_out else None,
        "behind": row.behind,
        "behind_se": row.behind_se,
        "folds_regularized": row.n_folds_regularized,
    }


def _score_record(score: Score) -> dict[str, float]:
    return {
        "log_likelihood": score.log_likelihood,
        "se": score.se,
        "brier": score.brier,
        "brier_se": score.brier_se,
        "n_answers": score.n_answers,
    }


def _table_lines(title: str, rows: Sequence[Row], *, refusals: bool = True) -> Iterator[str]:
    width = max(len(title), *(len(r.name) for r in rows))
    yield f"{title:<{width}}  param.  log-lik.    AIC       BIC       held out per answer   behind the first"
    for r in rows:
        if r.outcome == REFUSED:
            if refusals:
                yield f"{r.name:<{width}}  refused: {shorten(r.reason, _MOST_REASON)}"
            continue
        fitted = " " * 36
        if r.n_parameters is not None and r.log_likelihood is not None:
            fitted = f"{r.n_parameters:>6}  {r.log_likelihood:>9.2f}  {r.aic:>8.2f}  {r.bic:>8.2f}"
        score = f"{r.held_out.log_likelihood:.4f} ± {r.held_out.se:.4f}" if r.held_out else ""
        behind = "" if r.behind is None else f"{r.behind:.4f} ± {r.behind_se:.4f}"
        yield f"{r.name:<{width}}  {fitted:<37}  {score:<20}  {behind}".rstrip()
        if r.reason:
            yield f"{'':<{width}}  {r.outcome}: {shorten(r.reason, _MOST_REASON)}"
