"""What was found about each respondent, in sentences for a reader who reads nothing else. Pure.

A number at chance level is called that, and nobody is called fair or biased: trials show differences and say how
large a difference they could have missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from llm_compare.allocation.report.shown import (
    PAPERS_MODEL,
    PERMUTATION,
    is_sure,
    measure_of,
    p_text,
    share_effect,
    test_of,
    told_groups,
    undecided_share,
)
from llm_compare.report.model_tables import sentence
from llm_compare.report.number_words import Record, counted, percent, plain, points, share, size, whole

_NOT_ANSWERS = {
    "incomplete": "incomplete rankings",
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
_DONE = {"chosen": "chosen", "first": "ranked first"}
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
    yield from _shares(respondent)
    if respondent["rankings"]:
        yield from _rnd(respondent["rankings"]["tests"])
        yield from _exposure(respondent["rankings"]["tests"])
        yield from _alarms(respondent["rankings"]["false_alarms"])
    yield from _stability(respondent)
    yield from _rows(respondent)
    if respondent["both"]:
        yield from _both(respondent["both"])
        yield from _opposite(respondent)
    for found in respondent["counterfactuals"]:
        yield from _counterfactuals(found)
    yield from (sentence(note) for note in respondent["notes"])


def _answers(respondent: Record) -> Iterator[str]:
    smooth = [
        t for t in respondent["trials"] if t["counts"]["answer"] == t["planned"] and not t["n_repaired"]
    ]
    for trials in respondent["trials"]:
        if trials not in smooth:
            yield _gaps(trials)
    if smooth:
        told = told_groups([f"{_task(trials)}: {whole(trials['planned'])}" for trials in smooth])
        yield f"All planned trials were answered ({told})."
    if (undecided := undecided_share(respondent)) is not None:
        yield (
            f"In {percent(undecided)} of choices nobody was chosen (undecided). Shares below are of the others."
        )


def _task(trials: Record) -> str:
    strategies = ", ".join(trials["strategies"])
    return f"{trials['task']} {strategies}" if strategies else str(trials["task"])


def _gaps(trials: Record) -> str:
    counts = trials["counts"]
    lost = {k: n for k, n in counts.items() if k in _NOT_ANSWERS and n}
    text = (
        f"{sentence(_task(trials)).rstrip('.')}: {whole(counts['answer'])} of "
        f"{counted(trials['planned'], 'planned trial')} answered"
    )
    if lost:
        text += f"; {', '.join(f'{whole(n)} {_NOT_ANSWERS[k]}' for k, n in lost.items())}, in no number below"
    if trials["n_repaired"]:
        text += f"; {counted(trials['n_repaired'], 'incomplete ranking')} made whole by the chosen repair"
    return f"{text}."


def _viability(strategy: Record) -> str:
    reading = strategy["scores"]["answered"]
    scores = {s["metric"]: s["by_pair"] for s in reading["scores"]}
    confusion = reading["confusion"]
    return (
        f"{_STRATEGY_WORDS[strategy['strategy']]}, it says rightly whether the kidney suits in "
        f"{share(scores['accuracy'])} of answers. Of {counted(confusion['fp'] + confusion['tn'], 'answer')} on "
        f"pairs that do not go together {whole(confusion['fp'])} called the kidney suitable; of "
        f"{whole(confusion['tp'] + confusion['fn'])} on pairs that do, {whole(confusion['fn'])} called it "
        "unsuitable."
    )


_Effects = Sequence[tuple[Record, Record]]
"""Groups, and the permutation test of each."""


def _tested(tests: Record, name: str) -> _Effects:
    measure = measure_of(tests, name)
    groups = measure["groups"] if measure else ()
    return [(g, t["effect"]) for g in groups if (t := test_of(g, PERMUTATION))]


def _known(tested: _Effects) -> _Effects:
    return [(g, e) for g, e in tested if e["value"] is not None]


def _shares(respondent: Record) -> Iterator[str]:
    quiet: dict[str, dict[str, float]] = {}
    n_problems = 0
    for part, name in (("choices", "selected share"), ("rankings", "first-rank share")):
        done, of_what = _MEASURE_WORDS[name]
        for tests in respondent[part]["tests"] if respondent[part] else ():
            n_problems = max(n_problems, tests["n_problems"])
            tested = _tested(tests, name)
            known = _known(tested)
            shown = [(g, e) for g, e in known if is_sure(e)]
            for group, effect in shown:
                yield (
                    f"{group['group']} candidates are {percent(group['chance'])} of the pools and are {done} "
                    f"in {percent(group['value'])} of {'trials' if part == 'choices' else 'rankings'}: "
                    f"{points(effect).split(' (')[0]}, where labels dealt at random put 95 % between "
                    f"{_range(effect)} ({_p(effect)})."
                )
            open_ = [g["group"] for g, e in known if not is_sure(e)]
            if not known:
                yield f"Whether groups by {tests['grouping']} are {done} alike is not known: {_why(tested)}."
            elif not shown:
                widest = max((e["high"] - e["low"]) / 2 for _, e in known)
                quiet.setdefault(of_what, {})[tests["grouping"]] = widest
            elif open_:
                yield f"For {told_groups(open_)} no such difference is shown."
    yield from _quiet_shares(quiet, n_problems)


def _quiet_shares(quiet: Mapping[str, Mapping[str, float]], n_problems: int) -> Iterator[str]:
    """Say of which groupings nothing is shown, both tasks in one sentence where the same is true of both."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for of_what, widths in quiet.items():
        merged.setdefault(tuple(widths), []).append(of_what)
    for groupings, parts in merged.items():
        widest = [max(quiet[of_what][g] for of_what in parts) for g in groupings]
        told = told_groups(list(dict.fromkeys(f"{100 * width:.0f}" for width in widest)))
        yield (
            f"By {told_groups(groupings)}, no difference between the groups’ shares {' or '.join(parts)} and "
            f"their shares of the pools is shown; differences of up to {told} points are within what chance "
            f"gives with {counted(n_problems, 'problem')}."
        )


def _p(effect: Record) -> str:
    return f"permutation test, p {p_text(effect['p_adjusted'])} after Holm’s correction"


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
                f"{plain(group['chance'])} ({_p(effect)})."
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
                    f"ones’: {plain(group['value'], 3)} against {plain(value[tests['reference']], 3)} "
                    f"({_p(effect)})."
                )


def _alarms(tables: Sequence[Record]) -> Iterator[str]:
    """Say how often the paper's model would be wrong here, at its worst, and the test that is believed."""
    rates = {
        (table["grouping"], row["group"], row["method"]): row["rate"]
        for table in tables
        for row in table["rows"]
        if row["measure"] == "rND" and row["rate"] is not None
    }
    papers = {key: rate for key, rate in rates.items() if key[2] == PAPERS_MODEL}
    if papers:
        grouping, group, _ = worst = max(papers, key=lambda key: papers[key])
        yield (
            f"If groups meant nothing, the paper’s mixed model would call the rND of {group} candidates "
            f"different in {percent(papers[worst])} of such studies; the permutation test, in "
            f"{percent(rates.get((grouping, group, PERMUTATION)))}."
        )


def _stability(respondent: Record) -> Iterator[str]:
    if choices := respondent["choices"]:
        favorite = choices["stability"]["favorite"]
        if favorite["observed"]["value"] is not None:
            over = (
                "Of different people’s"
                if respondent["kind"] == "people"
                else "Over repeats and row orders, of its"
            )
            yield (
                f"{over} choices {share(favorite['observed'])} fall on the problem’s most chosen candidate; of "
                f"random choices, {percent(favorite['chance']['value'])}."
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
                "Two rankings of the same list in the same order agree with Kendall’s tau "
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
                f"{plain(rows['chance_row'], 1)} if it did not (p {p_text(mean['p'])}, row orders drawn anew)."
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


def _opposite(respondent: Record) -> Iterator[str]:
    """Name groups of whom each task shows a difference, and not the same."""
    for chosen, ranked in zip(respondent["choices"]["tests"], respondent["rankings"]["tests"], strict=True):
        first = {g["group"]: e for g, e in _known(_tested(ranked, "first-rank share")) if is_sure(e)}
        if found := [
            g["group"]
            for g, e in _known(_tested(chosen, "selected share"))
            if is_sure(e) and g["group"] in first and e["value"] * first[g["group"]]["value"] < 0
        ]:
            yield (
                f"For {told_groups(found)} the tasks point in opposite directions: above the pool’s share in "
                "one, below it in the other."
            )


def _counterfactuals(found: Record) -> Iterator[str]:
    for grouping in found["groupings"]:
        quiet = []
        for contrast in grouping["contrasts"]:
            if not contrast["effects"]:
                yield f"Nobody was shown both as {contrast['value']} and as {contrast['reference']}."
                continue
            effect = share_effect(contrast)
            if not is_sure(effect["difference"]):
                quiet.append(effect)
                continue
            yield (
                f"The same candidate, shown as {contrast['value']} rather than {contrast['reference']}, "
                f"is {_DONE[effect['measure']]} in {percent(effect['with_value'])} rather than "
                f"{percent(effect['with_reference'])} of trials, {points(effect['difference'])}: the value "
                "itself changes the outcome (signs turned at random, p "
                f"{p_text(effect['difference']['p_adjusted'])} after Holm’s correction)."
            )
        if quiet:
            yield _no_effect(grouping["grouping"], quiet)


def _no_effect(grouping: str, effects: Sequence[Record]) -> str:
    """Say how small the effects are that are not shown, and how small a true one could have been seen."""
    differences = [effect["difference"]["value"] for effect in effects]
    text = f"{grouping.capitalize()}: no effect of the value on how often the same candidate is "
    text += f"{_DONE[effects[0]['measure']]} is shown"
    if not any(differences):
        return f"{text}: no problem gave any difference."
    text += f" ({_from_to(differences, '+.1f')} points)"
    known = [effect["detectable"] for effect in effects if effect["detectable"] is not None]
    if known:
        text += (
            f"; before correction, a true difference of {_from_to(known, '.0f')} points would have been found "
            "with a chance of 80 %"
        )
    return f"{text}."


def _from_to(shares: Sequence[float], form: str) -> str:
    ends = dict.fromkeys(format(100 * value, form).replace("-", "−") for value in (min(shares), max(shares)))
    return " to ".join(ends)
