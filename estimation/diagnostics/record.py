"""A diagnosis as plain data, and its respondents as columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from estimation.diagnostics.diagnosis import Diagnosis
from estimation.diagnostics.flags import Flag
from estimation.diagnostics.left_out import LeftOut
from estimation.diagnostics.participants import Participant
from estimation.drift import Drift
from estimation.model_quality import quality_record
from estimation.stability import Agreement
from estimation.weights_file import fit_record, specification_record
from survey.columns import CellKind, Column

FORMAT = "equipoise-diagnosis"
FORMAT_VERSION = 1


def diagnosis_record(found: Diagnosis) -> dict[str, object]:
    """Return a diagnosis as JSON holds it."""
    graph = found.graph
    return {
        "n_answers": found.n_answers,
        "n_indecisions": found.n_indecisions,
        "model": specification_record(found.specification),
        "gate": {
            "outcome": "refused" if found.fit is None else found.fit.gate.outcome.value,
            "reason": found.refused if found.fit is None else found.fit.gate.reason,
            **asdict(graph),
        },
        "thresholds": asdict(found.thresholds),
        "participants": [participant_record(p) for p in found.participants],
        "flags": [asdict(f) for f in found.flags],
        "everybody": None if found.fit is None else fit_record(found.fit),
        "with_and_without": [_left_out_record(left) for left in found.left_out],
        "agreement": None if found.agreement is None else _agreement_record(found.agreement),
        "drift": None if found.drift is None else _drift_record(found.drift),
        "drift_refused": found.drift_refused,
        "quality": None if found.quality is None else quality_record(found.quality),
        "notes": list(found.notes),
    }


def participant_record(p: Participant) -> dict[str, object]:
    """Return a respondent as JSON holds it, with what follows from the counts."""
    return {
        **asdict(p),
        "indecision_share": p.indecision_share,
        "left_share": p.left_share,
        "reliability": p.reliability,
        "triads": {**asdict(p.triads), "share": p.triads.share, "zeta": p.triads.zeta},
    }


def _left_out_record(found: LeftOut) -> dict[str, object]:
    return {
        "flag": found.flag,
        "respondents": list(found.respondents),
        "refused": found.refused,
        "n_answers": None if found.fit is None else found.fit.n_answers,
        "log_likelihood": None if found.fit is None else found.fit.log_likelihood,
        "quantities": [asdict(c) for c in found.changes],
        "notes": [] if found.fit is None else list(found.fit.notes),
    }


def _agreement_record(found: Agreement) -> dict[str, object]:
    return {
        **{name: value for name, value in asdict(found).items() if name != "scenarios"},
        "scenarios": [
            {
                "first": s.comparison.first.id,
                "second": s.comparison.second.id,
                "n_respondents": s.n_respondents,
                "n_answers": s.n_answers,
                "stability": asdict(s.stability),
            }
            for s in found.scenarios
        ],
    }


def _drift_record(found: Drift) -> dict[str, object]:
    return {
        "test": None if found.test is None else asdict(found.test),
        "steps": [asdict(step) for step in found.steps],
        "waves": {str(wave): fit_record(f) for wave, f in found.fits.items()},
        "notes": list(found.notes),
    }


def participant_columns(flags: Sequence[Flag]) -> tuple[Column[Participant], ...]:
    """Return the columns of ``participants.csv``."""
    raised: dict[str, list[str]] = {}
    for flag in flags:
        raised.setdefault(flag.respondent, []).append(flag.name)
    text, whole, number = CellKind.TEXT, CellKind.WHOLE, CellKind.NUMBER
    return (
        Column(name="respondent", kind=text, meaning="as in the answers", cell=lambda p: p.respondent),
        Column(
            name="flags",
            kind=CellKind.WORDS,
            meaning="names of the flags raised; empty: none",
            cell=lambda p: ";".join(raised.get(p.respondent, [])),
        ),
        Column(name="answers", kind=whole, meaning="main answers", cell=lambda p: p.n_answers),
        Column(name="decided", kind=whole, meaning="of these, decided", cell=lambda p: p.n_decided),
        Column(name="waves", kind=whole, meaning="waves answered in", cell=lambda p: p.n_waves),
        Column(
            name="indecision_share",
            kind=number,
            digits=4,
            meaning="share of indecision",
            cell=lambda p: p.indecision_share,
        ),
        Column(
            name="left_share",
            kind=number,
            digits=4,
            meaning="share of decided answers for the left side",
            cell=lambda p: p.left_share,
        ),
        Column(name="side_p", kind=number, meaning="two-sided exact binomial p", cell=lambda p: p.side_p),
        Column(
            name="longest_run",
            kind=whole,
            meaning="most main answers in a row that were the same",
            cell=lambda p: p.attention.longest_same_run,
        ),
        Column(
            name="median_seconds",
            kind=number,
            digits=3,
            unit="seconds",
            meaning="median over main answers, the first not counted",
            cell=lambda p: p.attention.median_seconds,
        ),
        Column(
            name="fast_share",
            kind=number,
            digits=4,
            meaning="share of main answers faster than the threshold",
            cell=lambda p: p.fast_share,
        ),
        Column(
            name="triads_completed",
            kind=whole,
            meaning="three profiles, all three pairs decided",
            cell=lambda p: p.triads.completed,
        ),
        Column(
            name="triads_circular", kind=whole, meaning="of these, circular", cell=lambda p: p.triads.circular
        ),
        Column(
            name="triads_most",
            kind=whole,
            meaning="circular triads possible at most; exact for a round robin",
            cell=lambda p: p.triads.most,
        ),
        Column(
            name="round_robin",
            kind=CellKind.YES_NO,
            meaning="whether every pair was decided",
            cell=lambda p: p.triads.is_complete,
        ),
        Column(
            name="zeta",
            kind=number,
            digits=4,
            meaning="Kendall's coefficient of consistence",
            cell=lambda p: p.triads.zeta,
        ),
        Column(
            name="checks_answered",
            kind=whole,
            meaning="checks that can be judged",
            cell=lambda p: p.attention.checks_answered,
        ),
        Column(
            name="checks_failed",
            kind=whole,
            meaning="of these, answered otherwise than expected",
            cell=lambda p: p.attention.checks_failed,
        ),
        Column(
            name="checks_unknown",
            kind=whole,
            meaning="checks that cannot be judged from the answers and the design",
            cell=lambda p: p.checks_unknown,
        ),
        Column(
            name="dominated_answered",
            kind=whole,
            meaning="dominated comparisons answered",
            cell=lambda p: p.attention.dominated_answered,
        ),
        Column(
            name="dominated_against",
            kind=whole,
            meaning="of these, the dominated patient chosen",
            cell=lambda p: p.attention.dominated_against,
        ),
        Column(
            name="repeats_answered",
            kind=whole,
            meaning="repeats, sides exchanged",
            cell=lambda p: p.attention.repeats_answered,
        ),
        Column(
            name="repeats_changed",
            kind=whole,
            meaning="of these, answered otherwise",
            cell=lambda p: p.attention.repeats_changed,
        ),
        *(
            Column(
                name=name,
                kind=number,
                digits=4,
                meaning=meaning,
                cell=_of_fit(name),
            )
            for name, meaning in (
                ("infit", "mean square weighted by information"),
                ("infit_z", "standardized infit"),
                ("outfit", "unweighted mean square"),
                ("outfit_z", "standardized outfit"),
                ("likelihood_z", "standardized log-likelihood of the choices"),
            )
        ),
    )


def _of_fit(name: str) -> Callable[[Participant], float | None]:
    return lambda p: None if p.fit is None else getattr(p.fit, name)
