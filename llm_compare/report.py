"""``report.html``: one self-contained page with tables and pictures, and ``alignment.json`` behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from estimation.manifest import file_hash
from estimation.weights import Estimate
from estimation.weights_file import fit_record
from exchange.match_run import MatchRun
from exchange.pool import Pool
from llm_compare.alignment import Side
from llm_compare.alignment_plots import (
    coefficient_plot,
    comparison_words,
    consequences_plot,
    effect_rows,
    indecision_plot,
    most_different,
    shares_plot,
)
from llm_compare.consequences import Consequences
from llm_compare.parsing import Outcome
from llm_compare.rates import Rate
from llm_compare.results import ModelResult, WithoutChoice
from survey.answers import AnswerSet
from survey.design import Attribute

# How the survey begins the pseudonyms of rehearsals, as ``survey.export`` says.
_SIMULATED = "sim-"

_TEMPLATES = Path(__file__).parent / "templates"
FORMAT = "equipoise-alignment"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one input of the report came from."""

    what: str
    kind: str
    """``real``, ``simulated``, ``scripted`` or ``not stated``; shown as a label."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is reported: people against one or more models."""

    title: str
    study_title: str
    slug: str
    design_hash: str
    """Of the design the models were asked with."""
    attributes: tuple[Attribute, ...]
    people_source: str
    results: Sequence[ModelResult]
    without_choice: Sequence[WithoutChoice]
    origins: Sequence[Origin]
    manifest: Mapping[str, object]


def origins(
    people: AnswerSet,
    models: Sequence[ModelResult | WithoutChoice],
    pool: Pool | None,
    *,
    people_source: str = "",
) -> tuple[Origin, ...]:
    """Say where people's answers, the models' replies and the pool came from, as far as it is known.

    Parameters
    ----------
    people_source
        What the user states about the people's answers. Without it the report claims nothing of them: a file does
        not say whether real people gave its answers.
    """
    listed = [_people_origin(people, people_source)]
    for model in models:
        listed.append(
            Origin(
                what=model.label,
                kind="scripted" if model.is_scripted else "real",
                words="A few lines of code with a known rule, not a language model."
                if model.is_scripted
                else f"{model.tally.total} calls to this model.",
            )
        )
    if pool is not None:
        listed.append(
            Origin(
                what="Exchange pool",
                kind="simulated" if pool.is_simulated else "not stated",
                words=pool.note.removeprefix("Simulated. ")
                or f"Read from {pool.source}, which does not say whether its people are real.",
            )
        )
    return tuple(listed)


def _people_origin(people: AnswerSet, stated: str) -> Origin:
    what = "People’s answers"
    respondents = {a.respondent for a in people.answers}
    simulated = sum(r is not None and r.startswith(_SIMULATED) for r in respondents)
    if simulated:
        words = (
            f"{simulated} of {len(respondents)} respondents are simulated participants of a rehearsal, not people. "
            f"{stated or f'Read from {people.source}.'}"
        )
        return Origin(what=what, kind="simulated", words=words)
    if stated:
        return Origin(what=what, kind="real", words=stated)
    words = f"Read from {people.source}, which does not say who gave them; say it with --people-source."
    return Origin(what=what, kind="not stated", words=words)


def alignment_record(report: Report) -> dict[str, object]:
    """Return the numbers of the report as plain data."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "design": {"slug": report.slug, "hash": report.design_hash},
        "origins": [{"what": o.what, "kind": o.kind, "words": o.words} for o in report.origins],
        "people": _side_record(report.results[0].alignment.people),
        "models": [_result_record(result) for result in report.results],
        "models_without_choice": [
            {
                "label": model.label,
                "scripted": model.is_scripted,
                "replies": {outcome.value: n for outcome, n in model.tally.counts.items()},
            }
            for model in report.without_choice
        ],
        "manifest": dict(report.manifest),
    }


def write_alignment(path: Path, report: Report) -> None:
    """Write ``alignment.json``. The same report gives the same bytes."""
    text = json.dumps(alignment_record(report), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_report(path: Path, report: Report, *, alignment: Path | None = None) -> None:
    """Write the page, which opens offline in any browser.

    Parameters
    ----------
    alignment
        The ``alignment.json`` with the same numbers, named with its hash in the page.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(percent=_percent, interval=_interval, signed=_signed, estimate=_estimate)
    alignments = [r.alignment for r in report.results]
    first = alignments[0]
    page = environment.get_template("report.html").render(
        report=report,
        people=first.people,
        results=report.results,
        everyone=[*report.results, *report.without_choice],
        outcomes=list(Outcome),
        indecision_label=report.results[0].replies[0].request.labels.indecision,
        sentences=[summary(r) for r in report.results],
        effects=effect_rows(alignments),
        coefficient_plot=coefficient_plot(alignments),
        indecision_plot=indecision_plot(alignments) if first.people.indecision else "",
        shares_plots=[
            shares_plot(r.alignment, report.attributes) if r.alignment.shares else "" for r in report.results
        ],
        consequences_plots=[
            consequences_plot(r.label, r.consequences, i) if r.consequences else ""
            for i, r in enumerate(report.results)
        ],
        n_shown=[len(most_different(r.alignment.shares)) for r in report.results],
        ceilings=[r.alignment.agreement.has_ceiling for r in report.results],
        same_ceiling=len({r.alignment.agreement.person_answers for r in report.results}) == 1,
        without_majority="; ".join(
            dict.fromkeys(
                f"{a.agreement.n_without_majority} of {a.agreement.n_comparisons}" for a in alignments
            )
        ),
        answered_twice="; ".join(
            dict.fromkeys(
                f"{a.agreement.n_comparisons_in_halves} of {a.agreement.n_comparisons}" for a in alignments
            )
        ),
        model_intervals=sorted(
            {
                f"{fit.interval_method}, clustered by {fit.clustering.value}"
                for fit in (a.model.fit for a in alignments)
            }
        ),
        comparison_words=lambda s: comparison_words(report.attributes, s),
        models_heard=lambda r: sorted({x.reply.returned_model for x in r.replies if x.reply.returned_model}),
        cost=_cost,
        notes=common_notes(report.results),
        match_run_words=_match_run_words,
        alignment_file=None if alignment is None else (alignment.name, file_hash(alignment)),
        manifest=json.dumps(report.manifest, indent=1, ensure_ascii=False),
    )
    path.write_text(page, encoding="utf-8")


def summary(result: ModelResult) -> str:
    """Say in one sentence what was found about a model."""
    a = result.alignment
    parts = []
    agreement = a.agreement
    if agreement.model_answers is not None:
        parts.append(
            "it makes the people's most frequent choice in "
            f"{_percent(agreement.model_answers.value)} of its answers{_in_brackets(agreement.model_answers)}"
        )
        parts.append(
            f"measured against random halves of the people it reaches {_percent(agreement.model_answers_halves)}, "
            f"people themselves {_percent(agreement.person_answers)}"
            if agreement.has_ceiling
            else f"only {agreement.n_comparisons_in_halves} of {agreement.n_comparisons} comparisons were "
            "answered by several people, too few to say what people reach among themselves"
        )
    if a.model.indecision and a.people.indecision:
        parts.append(
            f"it was undecided in {_percent(a.model.indecision.value)} of its answers, people in "
            f"{_percent(a.people.indecision.value)}"
        )
    same = a.model.consistency.same_choice
    if same is not None:
        parts.append(f"with the sides exchanged it answered the same in {_percent(same.value)}")
    if a.ranks.kendall is not None:
        parts.append(
            f"its order of the {a.ranks.n_profiles} profiles has Kendall's tau {a.ranks.kendall:.2f} with people's"
        )
    if result.consequences is not None:
        c = result.consequences
        changed = c.matched_by_people_only + c.matched_by_model_only
        parts.append(
            "its weights prefer no patient to another, so they decide nothing in an exchange"
            if c.model_is_indifferent
            else f"clearing one pool with its weights gives {_counted(c.by_model.transplants, 'transplant')} "
            f"({c.by_people.transplants} with people's) and changes who is helped for "
            f"{_counted(changed, 'patient')}"
        )
    return "; ".join(parts) + "."


def common_notes(results: Sequence[ModelResult]) -> list[str]:
    """Return the notes of all alignments, each once."""
    return list(dict.fromkeys(note for result in results for note in result.alignment.notes))


def _match_run_words(run: MatchRun) -> str:
    proof = "proved best" if run.status == "optimal" else "not proved best within the time limit"
    made_of = f"{_counted(len(run.cycles), 'cycle')} and {_counted(len(run.chains), 'chain')}"
    return f"{_counted(run.transplants, 'transplant')} in {made_of}, {proof}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _cost(result: ModelResult | WithoutChoice) -> str:
    if result.is_scripted:
        return "none (scripted)"
    known = [r.reply.cost_usd for r in result.replies if r.reply.cost_usd is not None]
    unknown = len(result.replies) - len(known)
    text = f"{sum(known):.4f} US$" if known else ""
    return text + (f"{' and ' if text else ''}unknown for {unknown} calls" if unknown else "")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _interval(rate: Rate | None) -> str:
    if rate is None:
        return "–"
    if rate.low is None or rate.high is None:
        return _percent(rate.value)
    return f"{100 * rate.value:.0f} % ({100 * rate.low:.0f}–{100 * rate.high:.0f})"


def _in_brackets(rate: Rate) -> str:
    if rate.low is None or rate.high is None:
        return ""
    return f" ({100 * rate.low:.0f}–{100 * rate.high:.0f}, {_counted(rate.n_clusters, rate.unit)})"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return _signed(estimate.value)
    return f"{_signed(estimate.value)} ({_signed(estimate.low)} to {_signed(estimate.high)})"


def _rate_record(rate: Rate | None) -> dict[str, object] | None:
    if rate is None:
        return None
    return {
        "value": rate.value,
        "low": rate.low,
        "high": rate.high,
        "n_answers": rate.n_answers,
        "n_clusters": rate.n_clusters,
        "clusters": rate.unit,
    }


def _side_record(side: Side) -> dict[str, object]:
    return {
        "label": side.label,
        "n_answers": side.n_answers,
        "n_respondents": side.n_respondents,
        "indecision": _rate_record(side.indecision),
        "same_choice_with_sides_exchanged": _rate_record(side.consistency.same_choice),
        "left_share_of_decided": _rate_record(side.consistency.left),
        "weights": fit_record(side.fit),
    }


def _result_record(result: ModelResult) -> dict[str, object]:
    a = result.alignment
    agreement = a.agreement
    c = result.consequences
    return {
        "scripted": result.is_scripted,
        **_side_record(a.model),
        # People's weights again: where a model is regularized, people are regularized alike for that comparison.
        "people_weights": fit_record(a.people.fit),
        "replies": {outcome.value: n for outcome, n in result.tally.counts.items()},
        "agreement": {
            "n_comparisons": agreement.n_comparisons,
            "n_comparisons_in_halves": agreement.n_comparisons_in_halves,
            "n_without_majority": agreement.n_without_majority,
            "model_answers_equal_to_majority": _rate_record(agreement.model_answers),
            "model_answers_equal_to_half_majority": agreement.model_answers_halves,
            "ceiling_person_answers": agreement.person_answers,
            "ceiling_person_answers_range": agreement.person_answers_range,
            "model_majority_equal_to_majority": agreement.model_majority,
            "ceiling_half_majority": agreement.half_majority,
            "n_splits": agreement.n_splits,
        },
        "ranks": {"n_profiles": a.ranks.n_profiles, "kendall": a.ranks.kendall, "spearman": a.ranks.spearman},
        "comparisons": [
            {
                "first": s.comparison.first.as_dict(),
                "second": s.comparison.second.as_dict(),
                "people": dict(zip(("first", "second", "indecision"), s.people, strict=True)),
                "model": dict(zip(("first", "second", "indecision"), s.model, strict=True)),
            }
            for s in a.shares
        ],
        "consequences": None if c is None else _consequences_record(c),
        "notes": list(a.notes),
    }


def _consequences_record(c: Consequences) -> dict[str, object]:
    return {
        "pool": c.pool.source,
        "n_pairs": len(c.pool.pairs),
        "n_ndds": len(c.pool.ndds),
        "policy": c.policy.value,
        "cycle_cap": c.cycle_cap,
        "chain_cap": c.chain_cap,
        "transplants_by_people": c.by_people.transplants,
        "transplants_by_model": c.by_model.transplants,
        "status_by_people": c.by_people.status.value,
        "status_by_model": c.by_model.status.value,
        "priority_lost": c.priority_lost,
        "model_is_indifferent": c.model_is_indifferent,
        "matched_by_both": c.matched_by_both,
        "matched_by_people_only": c.matched_by_people_only,
        "matched_by_model_only": c.matched_by_model_only,
        "groups": [
            {
                "attribute": g.attribute,
                "group": g.group,
                "n_patients": g.n_patients,
                "matched_by_people": g.matched_by_people,
                "matched_by_model": g.matched_by_model,
            }
            for g in c.groups
        ],
    }
