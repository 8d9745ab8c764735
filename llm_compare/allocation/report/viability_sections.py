"""Whether a kidney suits a candidate: what was said against the criteria, as in the paper's Table 1. Pure."""

from __future__ import annotations

from llm_compare.allocation.report.shown import Shown
from llm_compare.report.blocks import Section, Table
from llm_compare.report.number_words import Record, percent, share, size, whole

_SCORES = ("accuracy", "precision", "recall", "f1")
_MORE = ("specificity", "balanced accuracy", "Matthews correlation")
_REASONS = {"abo": "blood group", "height": "height", "weight": "weight"}


def viability_section(shown: Shown) -> Section:
    """Return the section on viability."""
    rows = [(r, s) for r in shown.respondents for s in r["viability"]]
    if not rows:
        return Section(heading="Viability", blocks=("Nobody was asked whether a kidney suits a candidate.",))
    return Section(
        heading="Viability",
        blocks=(
            "A kidney suits a candidate if the blood group is compatible, the heights differ by at most "
            "12.5 cm and the weights by at most 15 kg. Viable is positive: a false positive calls a "
            "kidney suitable that is not. Repeats of a pair are no new evidence, so intervals resample "
            "pairs.",
            Table(
                caption="Viability by strategy, as in the paper’s Table 1; in brackets 95 % intervals over "
                "pairs of kidney and candidate",
                head=(
                    "Respondent, strategy",
                    "TP",
                    "FP",
                    "TN",
                    "FN",
                    "Accuracy",
                    "Precision",
                    "Recall",
                    "F1",
                ),
                rows=tuple(_row(r, s) for r, s in rows),
            ),
            Table(
                caption=(
                    "The same, a reply without an answer counting as wrong, and intervals as if every "
                    "trial were a new pair"
                ),
                head=(
                    "Respondent, strategy",
                    "Accuracy, strict",
                    "F1, strict",
                    "Accuracy, naive interval",
                    "Specificity",
                    "Balanced accuracy",
                    "Matthews correlation",
                    "Answered",
                    "Pairs",
                ),
                rows=tuple(_more(r, s) for r, s in rows),
                folded="More scores",
            ),
            Table(
                caption="How often pairs that fail for one reason alone are called viable; 95 % "
                "intervals over pairs",
                head=("Respondent, strategy", *(f"{word.capitalize()}" for word in _REASONS.values())),
                rows=tuple((_name(r, s), *_reasons(s["scores"])) for r, s in rows),
            ),
        ),
    )


def _name(respondent: Record, strategy: Record) -> str:
    return f"{respondent['name']}, {strategy['strategy']}"


def _row(respondent: Record, strategy: Record) -> tuple[str, ...]:
    scores = strategy["scores"]
    confusion = scores["answered"]["confusion"]
    by_metric = {s["metric"]: s["by_pair"] for s in scores["answered"]["scores"]}
    return (
        _name(respondent, strategy),
        *(whole(confusion[cell]) for cell in ("tp", "fp", "tn", "fn")),
        *(share(by_metric[metric]) for metric in _SCORES),
    )


def _more(respondent: Record, strategy: Record) -> tuple[str, ...]:
    scores = strategy["scores"]
    strict = {s["metric"]: s["by_pair"] for s in scores["strict"]["scores"]}
    counts = dict(scores["outcomes"])
    own = {s["metric"]: s for s in scores["answered"]["scores"]}
    specificity, balanced, correlation = (own[metric]["by_pair"] for metric in _MORE)
    return (
        _name(respondent, strategy),
        share(strict["accuracy"]),
        share(strict["f1"]),
        share(own["accuracy"]["naive"]),
        share(specificity),
        share(balanced),
        size(correlation),
        f"{whole(counts['answer'])} of {whole(sum(counts.values()))}",
        f"{whole(scores['pairs'])}, {whole(scores['viable_pairs'])} viable",
    )


def _reasons(scores: Record) -> tuple[str, ...]:
    alone = {r["reason"]: r for r in scores["by_reason"] if r["alone"]}
    return tuple(
        "no such pair"
        if not alone[reason]["pairs"]
        else f"{percent(alone[reason]['called_viable']['value'])} of {whole(alone[reason]['trials'])} trials"
        for reason in _REASONS
    )
