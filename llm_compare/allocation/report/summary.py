"""What was found about each respondent, in sentences for a reader who reads nothing else. Pure.

A number at chance level is called that, and nobody is called fair or biased: trials show differences and say how
large a difference they could have missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_compare.allocation.report.shown import (
    PERMUTATION,
    is_sure,
    measure_of,
    p_text,
    share_effect,
    test_of,
    told_groups,
)
from llm_compare.report.model_tables import sentence
from llm_compare.report.number_words import Record, counted, percent, plain, points, share, size, whole

_NOT_ANSWERS = {
    "incomplete": "incomplete rankings",
    "indecision": "undecided",
    "refusal": "refused",
    "truncated": "cut off",
    "unreadable": "unreadable",
    "error": "failed",
}
_STRATEGY_WORDS = {
    "out-of-box": "Asked without criteria",
    "zero-shot": "Told the criteria",
    "few-shot": "Told the criteria, with four examples",
}
_PAPERS_MODEL = "mixed model of the paper"
_MEASURE_WORDS = {
    "selected share": ("chosen", "of choices"),
    "first-rank share": ("ranked first", "of first ranks"),
}


def sentences(respondent: Record) -> tuple[str, ...]:
    """Return the findings on a respondent. What is not known is said, never left out silently."""
    return tuple(_sentences(respondent))


def _sentences(respondent: Record) -> Iterator[str]:
    yield from _answers(respondent)
    for strategy in respondent["viability"]:
        yield _viability(strategy)
    for part, measure in (("choices", "selected share"), ("rankings", "first-rank share")):
        if respondent[part]:
            yield from _shares(respondent[part]["tests"], measure)
    if respondent["rankings"]:
        yield from _rnd(respondent["rankings"]["tests"])
        yield from _exposure(respondent["rankings"]["tests"])
        yield from _alarms(respondent["rankings"]["false_alarms"])
    yield from _stability(respondent)
    yield from _rows(respondent)
    if respondent["both"]:
        yield from _both(respondent["both"])
    for found in respondent["counterfactuals"]:
        yield from _counterfactuals(found)
    yield from (sentence(note) for note in respondent["notes"])


def _answers(respondent: Record) -> Iterator[str]:
    for trials in respondent["trials"]:
        counts = trials["counts"]
        got, lost = counts["answer"], {k: n for k, n in counts.items() if k != "answer" and n}
        planned = counted(trials["planned"], "planned trial")
        text = f"{trials['task'].capitalize()}: {whole(got)} of {planned} answered"
        if lost:
            text += (
                f"; {', '.join(f'{whole(n)} {_NOT_ANSWERS[k]}' for k, n in lost.items())}, in no number below"
            )
        if trials["n_repaired"]:
            text += f"; {counted(trials['n_repaired'], 'incomplete ranking')} made whole by the chosen repair"
        yield f"{text}."


def _viability(strategy: Record) -> str:
    reading = strategy["scores"]["answered"]
    scores = {s["metric"]: s["by_pair"] for s in reading["scores"]}
    confusion = reading["confusion"]
    return (
        f"{_STRATEGY_WORDS[strategy['strategy']]}, it says rightly whether the kidney suits in "
        f"{share(scores['accuracy'])} of answers. It called {whole(confusion['fp'])} of "
        f"{counted(confusion['fp'] + confusion['tn'], 'unsuitable kidney')} suitable, the error that "
        f"harms, and {whole(confusion['fn'])} of "
        f"{counted(confusion['tp'] + confusion['fn'], 'suitable one')} unsuitable."
    )


_Effects = Sequence[tuple[Record, Record]]
"""Groups, and the permutation test of each."""


def _tested(tests: Record, name: str) -> _Effects:
    measure = measure_of(tests, name)
    groups = measure["groups"] if measure else ()
    return [(g, t["effect"]) for g in groups if (t := test_of(g, PERMUTATION))]


def _known(tested: _Effects) -> _Effects:
    return [(g, e) for g, e in tested if e["value"] is not None]


def _shares(every: Sequence[Record], name: str) -> Iterator[str]:
    done, of_what = _MEASURE_WORDS[name]
    quiet: dict[str, float] = {}
    for tests in every:
        tested = _tested(tests, name)
        known = _known(tested)
        shown = [(g, e) for g, e in known if is_sure(e)]
        for group, effect in shown:
            yield (
                f"{group['group']} candidates are {percent(group['chance'])} of the pools and are {done} "
                f"in {percent(group['value'])} of {'trials' if done == 'chosen' else 'rankings'}: "
                f"{points(effect).split(' (')[0]}, where labels dealt at random put 95 % between "
                f"{_range(effect)} (p {p_text(effect['p_adjusted'])} after correction)."
            )
        open_ = [g["group"] for g, e in known if not is_sure(e)]
        if not known:
            yield f"Whether groups by {tests['grouping']} are {done} alike is not known: {_why(tested)}."
        elif not shown:
            quiet[tests["grouping"]] = max((e["high"] - e["low"]) / 2 for _, e in known)
        elif open_:
            yield f"For {told_groups(open_)} no such difference is shown."
    if quiet:
        widest = told_groups(list(dict.fromkeys(f"{100 * width:.0f}" for width in quiet.values())))
        yield (
            f"By {told_groups(list(quiet))}, no difference between the groups’ shares {of_what} and their "
            f"shares of the pools is shown; differences of up to {widest} points are within what chance "
            f"gives with {counted(every[0]['n_problems'], 'problem')}."
        )


def _range(effect: Record) -> str:
    low, high = (f"{100 * effect[end]:+.0f}".replace("-", "−") for end in ("low", "high"))
    return f"{low} and {high}"


def _why(tested: _Effects) -> str:
    return next((e["reason"] for _, e in tested if e["reason"]), "no problem tells groups apart")


def _rnd(every: Sequence[Record]) -> Iterator[str]:
    quiet: dict[str, _Effects] = {}
    for tests in every:
        known = _known(_tested(tests, "rND"))
        shown = [(g, e) for g, e in known if is_sure(e)]
        for group, effect in shown:
            yield (
                f"{group['group']} candidates are spread over the first ranks "
                f"{'less' if effect['value'] > 0 else 'more'} evenly than chance: rND "
                f"{plain(group['value'])}, where coin-tossed rankings of the same pools give "
                f"{plain(group['chance'])} (p {p_text(effect['p_adjusted'])} after correction)."
            )
        if known and not shown:
            quiet[tests["grouping"]] = known
    if quiet:
        highest, _ = max(
            (pair for known in quiet.values() for pair in known), key=lambda p: float(p[0]["value"])
        )
        yield (
            f"By {told_groups(list(quiet))}, no group is shown to be spread over the first ranks "
            f"otherwise than by chance: the highest rND, {plain(highest['value'])} for "
            f"{highest['group']}, stands beside {plain(highest['chance'])}, which is what coin-tossed "
            f"rankings give for a group of {whole(highest['size'])} in these pools."
        )


def _exposure(every: Sequence[Record]) -> Iterator[str]:
    for tests in every:
        measure = measure_of(tests, "exposure")
        value = {g["group"]: g["value"] for g in measure["groups"]} if measure else {}
        for group, effect in _known(_tested(tests, "exposure")):
            if is_sure(effect):
                yield (
                    f"{group['group']} candidates’ ranks give them "
                    f"{'more' if effect['value'] > 0 else 'less'} exposure than {tests['reference']} "
                    f"ones’: {plain(group['value'], 3)} against {plain(value[tests['reference']], 3)} (p "
                    f"{p_text(effect['p_adjusted'])} after correction)."
                )


def _alarms(tables: Sequence[Record]) -> Iterator[str]:
    """Say how often the paper's model would be wrong here, and the test that is believed."""
    for table in tables:
        rates = {
            method: {
                r["group"]: r["rate"] for r in table["rows"] if (r["measure"], r["method"]) == ("rND", method)
            }
            for method in (_PAPERS_MODEL, PERMUTATION)
        }
        known = {group: rate for group, rate in rates[_PAPERS_MODEL].items() if rate is not None}
        if not known:
            continue
        group = max(known, key=lambda name: known[name])
        own = rates[PERMUTATION].get(group)
        yield (
            f"By {table['grouping']}, if groups meant nothing, the paper’s mixed model would call the rND "
            f"of {group} candidates different in {percent(known[group])} of such studies; the test "
            f"believed here, in {percent(own)}."
        )


def _stability(respondent: Record) -> Iterator[str]:
    if choices := respondent["choices"]:
        favorite = choices["stability"]["favorite"]
        if favorite["observed"]["value"] is not None:
            yield (
                f"Over repeats and row orders it chooses its favorite in {share(favorite['observed'])} of "
                f"trials; random choices, {percent(favorite['chance']['value'])}."
            )
    if rankings := respondent["rankings"]:
        first = rankings["stability"]["expected_first"]
        tau = rankings["agreement"]["kendall"]
        if first["observed"]["value"] is not None:
            yield (
                f"The candidate of best mean rank stands first in {share(first['observed'])} of its "
                f"rankings (random rankings: {percent(first['chance']['value'])})."
            )
        if tau["same_order"]["value"] is not None:
            yield (
                "Asked again word for word, two rankings agree with Kendall’s tau "
                f"{size(tau['same_order'])}; 1 is the same, 0 is chance."
            )


def _rows(respondent: Record) -> Iterator[str]:
    for part, done in (("choices", "choices"), ("rankings", "first ranks")):
        if not respondent[part]:
            continue
        rows = respondent[part]["rows"]
        mean = rows["mean_row"]
        if mean["value"] is None or mean["p"] is None:
            continue
        if is_sure(mean):
            yield (
                f"The place in the list matters: {done} fall on row {size(mean, 1)} on average, "
                f"{plain(rows['chance_row'], 1)} if it did not (p {p_text(mean['p'])})."
            )


def _both(both: Record) -> Iterator[str]:
    found = both["dependence"]
    short = found["shortfall"]
    if found["agreement"]["value"] is None:
        return
    text = (
        f"Whom it chooses is whom it ranks first in {share(found['agreement'])} of pairs of trials; two "
        f"trials of the same task agree in {percent(found['ceiling_choose_one']['value'])} (choose-one) "
        f"and {percent(found['ceiling_rank_all']['value'])} (rank-all)"
    )
    if short["low"] is not None and short["low"] > 0:
        text += f": the task itself changes who is first, by {points(short)}"
    yield f"{text}."
    for groups in both["groups"]:
        inverted = [g["group"] for g in groups["groups"] if g["verdict"] == "inverts"]
        if inverted:
            yield (
                f"For {told_groups(inverted)} the tasks point in opposite directions: above the pool’s "
                "share in one, below it in the other."
            )


def _counterfactuals(found: Record) -> Iterator[str]:
    for grouping in found["groupings"]:
        for contrast in grouping["contrasts"]:
            if not contrast["effects"]:
                yield f"Nobody was shown both as {contrast['value']} and as {contrast['reference']}."
                continue
            effect = share_effect(contrast)
            difference = effect["difference"]
            text = (
                f"The same candidate, shown as {contrast['value']} rather than {contrast['reference']}, "
                f"is {'chosen' if effect['measure'] == 'chosen' else 'ranked first'} in "
                f"{percent(effect['with_value'])} rather than {percent(effect['with_reference'])} of "
                f"trials, {points(difference)}"
            )
            if is_sure(difference):
                p = p_text(difference["p_adjusted"])
                yield f"{text}: the value itself changes the outcome (p {p} after correction)."
            elif effect["detectable"] is not None:
                yield (
                    f"{text}: no effect is shown; one of {100 * effect['detectable']:.0f} points would "
                    "probably have been found."
                )
            else:
                yield f"{text}: no effect is shown."
