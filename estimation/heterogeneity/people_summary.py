"""A study of how people differ, in lines of text and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from estimation.choice_model import PULL
from estimation.effect_rows import profile_words, signed, weight_rows
from estimation.heterogeneity.attendance import Attendance
from estimation.heterogeneity.classes import ClassTable, LatentClasses
from estimation.heterogeneity.participant_pulls import ParticipantPulls
from estimation.heterogeneity.people import PeopleStudy
from estimation.heterogeneity.random_coefficients import RandomCoefficients
from estimation.heterogeneity.voting import Votes
from estimation.weights import Estimate, ProfileWeights
from estimation.weights_file import estimate_record, specification_record

# So many disagreements and profiles are listed in the terminal; the file has all.
_MOST_LINES = 12
_MOST_PAIRS = 1_000


def people_lines(study: PeopleStudy) -> Iterator[str]:
    """Yield what a study found, for the terminal."""
    pooled = study.pooled
    yield (
        f"{pooled.model}: {pooled.n_answers} answers of {len(study.classes.fits[0].respondents)} respondents; "
        f"one model for all has log-likelihood {_plain(pooled.log_likelihood)}, BIC {pooled.bic:.1f}"
    )
    yield ""
    yield from _class_lines(study.classes)
    if study.attendance is not None:
        yield ""
        yield from _attendance_lines(study.attendance)
    if study.population is not None:
        yield ""
        yield from _population_lines(study.population)
    if study.indecision:
        yield ""
        yield from _indecision_lines(study.indecision, study.pulls)
    yield ""
    yield from _vote_lines(study)
    for note in _all_notes(study):
        yield f"Note: {note}"


def people_record(study: PeopleStudy) -> dict[str, object]:
    """Return a study as plain data, for files and ``--json``."""
    return {
        "specification": specification_record(study.pooled.specification),
        "pooled": {"log_likelihood": study.pooled.log_likelihood, "bic": study.pooled.bic},
        "classes": {
            "table": [_row_record(f) for f in study.classes.fits],
            "chosen": _classes_record(study.classes.best),
        },
        "does_not_count": study.attendance and _attendance_record(study.attendance),
        "population": study.population and _population_record(study.population),
        "indecision_by_respondent": dict(study.indecision),
        "own_pulls": study.pulls and _pulls_record(study.pulls),
        "votes": _votes_record(study),
        "notes": _all_notes(study),
    }


# --- lines ------------------------------------------------------------------------------------------------


def _class_lines(table: ClassTable) -> Iterator[str]:
    yield "Kinds of people"
    yield "classes   log-likelihood   parameters        BIC   certainty of membership"
    for f in table.fits:
        mark = "   <- least BIC" if f is table.best else ""
        certain = f"{f.entropy:.2f}" if f.n_classes > 1 else ""
        fitted = _plain(f.log_likelihood)
        yield f"{f.n_classes:<7} {fitted:>16} {f.n_parameters:>12} {f.bic:>10.1f}   {certain}{mark}".rstrip()
    best = table.best
    for number, kind in enumerate(best.classes, start=1):
        share = "" if best.n_classes == 1 else f": {percent(kind.share)} of people"
        yield f"class {number}{share}"
        rows = [(f"{r.label} {r.detail}".strip(), r.log_strength) for r in weight_rows(kind.weights)]
        if isinstance(kind.weights, ProfileWeights):
            rows.sort(key=lambda row: -row[1].value)
        yield from _estimates([*rows, *kind.others.items()])
    yield best.interval_method


def _attendance_lines(found: Attendance) -> Iterator[str]:
    yield "What does not count"
    width = max(len(name) for name in found.does_not_count)
    for name, share in found.does_not_count.items():
        yield f"  {name:<{width}}   for {percent(share)} of people"
    yield f"  log-likelihood {_plain(found.log_likelihood)}, BIC {found.bic:.1f}"
    yield found.interval_method


def _population_lines(found: RandomCoefficients) -> Iterator[str]:
    yield "The population: coefficients are normal over people"
    width = max(len("coefficient"), *(len(n) for n in found.names))
    yield f"  {'coefficient':<{width}}   mean of people            spread between people     share above 0"
    for name in found.names:
        mean, spread = _number(found.means[name]), _number(found.spreads[name], sign=False)
        yield f"  {name:<{width}}   {mean:<24}  {spread:<24}  {percent(found.positive_shares[name])}"
    yield f"  log-likelihood {_plain(found.log_likelihood)}, BIC {found.bic:.1f}"


def _indecision_lines(shares: Mapping[str, float], found: ParticipantPulls | None) -> Iterator[str]:
    given = np.array(list(shares.values()))
    yield "Indecision by person"
    yield (
        f"  share of a person's answers: {100 * np.median(given):.0f} % in the middle, "
        f"{100 * given.max():.0f} % at most; {100 * (given == 0).mean():.0f} % of people never"
    )
    if found is None:
        return
    if PULL in found.estimates:
        yield f"  common pull {_number(found.estimates[PULL])}"
    yield f"  spread of people's own pulls around it {_number(found.spread, sign=False)}"
    low, high = np.quantile(found.departures, [0.1, 0.9])
    yield f"  own pulls of eight in ten people depart from it by {_digits(low)} to {_digits(high)}"
    yield (
        f"  log-likelihood {_plain(found.log_likelihood)}, BIC {found.bic:.1f}; "
        f"p {_p_words(found.p_value)} against a common pull"
    )


def _vote_lines(study: PeopleStudy) -> Iterator[str]:
    votes = study.votes
    yield f"Pooled weights beside votes ({study.voters})"
    order = np.argsort(votes.pooled_rank, kind="stable")
    width = max(len("profile"), *(len(votes.names[i]) for i in order[:_MOST_LINES]))
    yield f"  {'profile':<{width}}   pooled rank   Borda rank   Copeland rank"
    for i in order[:_MOST_LINES]:
        yield (
            f"  {votes.names[i]:<{width}}   {votes.pooled_rank[i]:>11g}   {votes.borda_rank[i]:>10g}   "
            f"{votes.copeland_rank[i]:>13g}"
        )
    if len(order) > _MOST_LINES:
        yield f"  … and {len(order) - _MOST_LINES} more"
    if votes.borda_correlation is not None and votes.copeland_correlation is not None:
        yield (
            f"  Kendall's tau with the pooled order: Borda {votes.borda_correlation:.3f}, "
            f"Copeland {votes.copeland_correlation:.3f}"
        )
    winner = votes.condorcet_winner
    yield f"  preferred by majorities to every other: {winner if winner is not None else 'none'}"
    yield votes.sentence


def _estimates(rows: Sequence[tuple[str, Estimate]]) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    for name, estimate in rows:
        yield f"  {name:<{width}}   {_number(estimate)}"


def _number(estimate: Estimate, *, sign: bool = True) -> str:
    ends = [e for e in (estimate.low, estimate.high) if e is not None]
    words = [_digits(v) if sign else _digits(v).lstrip("+") for v in (estimate.value, *ends)]
    return f"{words[0]} ({words[1]} to {words[2]})" if len(words) == 3 else words[0]


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _digits(value: float) -> str:
    # A coefficient per day or per dollar is small and not zero.
    return signed(value) if abs(value) >= 0.1 or value == 0 else f"{value:+.2g}".replace("-", "−")


def percent(share: Estimate) -> str:
    """Return a share with its interval, such as ``35 % (27 to 44)``."""
    interval = ""
    if share.low is not None and share.high is not None:
        interval = f" ({100 * share.low:.0f} to {100 * share.high:.0f})"
    return f"{100 * share.value:.0f} %{interval}"


def _p_words(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"= {p:.4f}"


def _all_notes(study: PeopleStudy) -> list[str]:
    parts = (study.classes.best, study.attendance, study.population, study.pulls)
    notes = [note for part in parts if part is not None for note in part.notes]
    return list(dict.fromkeys([*notes, *study.pooled.notes, *study.notes]))


# --- plain data -------------------------------------------------------------------------------------------


def _row_record(found: LatentClasses) -> dict[str, object]:
    return {
        "classes": found.n_classes,
        "log_likelihood": found.log_likelihood,
        "n_parameters": found.n_parameters,
        "aic": found.aic,
        "bic": found.bic,
        "entropy": found.entropy,
        "starts": found.optima.n_starts,
        "starts_at_best": found.optima.n_best,
        "optima": list(found.optima.log_likelihoods),
    }


def _classes_record(found: LatentClasses) -> dict[str, object]:
    return {
        **_row_record(found),
        "prior_answers": found.prior_answers,
        "residual": found.residual,
        "intervals": found.interval_method,
        "of": list(found.names),
        "kinds": [
            {
                "share": estimate_record(kind.share),
                "expected_members": kind.expected_members,
                "values": found.values[k].tolist(),
                "others": _estimates_record(kind.others),
                "weights": [
                    {
                        "label": row.label,
                        "detail": row.detail,
                        "log_strength": estimate_record(row.log_strength),
                    }
                    for row in weight_rows(kind.weights)
                ],
            }
            for k, kind in enumerate(found.classes)
        ],
        "memberships": dict(zip(found.respondents, found.memberships.tolist(), strict=True)),
    }


def _attendance_record(found: Attendance) -> dict[str, object]:
    return {
        "shares": _estimates_record(found.does_not_count),
        "coefficients": _estimates_record(found.coefficients),
        "others": _estimates_record(found.others),
        "log_likelihood": found.log_likelihood,
        "n_parameters": found.n_parameters,
        "bic": found.bic,
        "starts": found.optima.n_starts,
        "starts_at_best": found.optima.n_best,
        "intervals": found.interval_method,
        "by_respondent": dict(zip(found.respondents, found.does_not_count_for.tolist(), strict=True)),
    }


def _population_record(found: RandomCoefficients) -> dict[str, object]:
    return {
        "of": list(found.names),
        "mean": found.mean.tolist(),
        "covariance": found.covariance.tolist(),
        "means": _estimates_record(found.means),
        "spreads": _estimates_record(found.spreads),
        "positive_shares": _estimates_record(found.positive_shares),
        "others": _estimates_record(found.others),
        "distribution": found.population.to_record(),
        "log_likelihood": found.log_likelihood,
        "monte_carlo_error": found.monte_carlo_error,
        "n_parameters": found.n_parameters,
        "bic": found.bic,
        "by_respondent": dict(zip(found.respondents, found.respondent_means.tolist(), strict=True)),
    }


def _pulls_record(found: ParticipantPulls) -> dict[str, object]:
    return {
        "estimates": _estimates_record(found.estimates),
        "spread": estimate_record(found.spread),
        "log_likelihood": found.log_likelihood,
        "common_log_likelihood": found.common_log_likelihood,
        "n_parameters": found.n_parameters,
        "bic": found.bic,
        "p_value": found.p_value,
        "departures": dict(zip(found.respondents, found.departures.tolist(), strict=True)),
    }


def _votes_record(study: PeopleStudy) -> dict[str, object]:
    votes: Votes = study.votes
    attributes = study.pooled.weights.attributes
    return {
        "voters": study.voters,
        "n_people": votes.n_people,
        "profiles": [
            {
                "profile": profile.id,
                "words": profile_words(attributes, profile),
                "pooled": float(votes.pooled[i]),
                "pooled_rank": float(votes.pooled_rank[i]),
                "borda": float(votes.borda[i]),
                "borda_rank": float(votes.borda_rank[i]),
                "copeland": float(votes.copeland[i]),
                "copeland_rank": float(votes.copeland_rank[i]),
            }
            for i, profile in enumerate(study.voted_on)
        ],
        "condorcet_winner": votes.condorcet_winner,
        "circles": [list(circle) for circle in votes.cycles],
        "kendall_tau": {"borda": votes.borda_correlation, "copeland": votes.copeland_correlation},
        "n_pairs": votes.n_pairs,
        "n_disagreements": len(votes.disagreements),
        "disagreements": [
            {"pooled_prefers": d.pooled_prefers, "majority_prefers": d.majority_prefers, "share": d.share}
            for d in votes.disagreements[:_MOST_PAIRS]
        ],
        "sentence": votes.sentence,
    }


def _estimates_record(estimates: Mapping[str, Estimate]) -> dict[str, object]:
    return {name: estimate_record(e) for name, e in estimates.items()}
