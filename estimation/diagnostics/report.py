"""A diagnosis in lines of text, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean, median

from estimation.connectivity import Connectivity
from estimation.diagnostics.diagnosis import Diagnosis
from estimation.diagnostics.flags import Flag
from estimation.diagnostics.left_out import LeftOut
from estimation.diagnostics.participants import Participant
from estimation.drift import Drift, DriftTest, WaveDrift
from estimation.effects import EffectKind
from estimation.model_quality import quality_lines
from estimation.stability import Agreement
from estimation.weights import Estimate

# A terminal shows so many names, scenarios or groups; the file has all.
_MOST = 5
_BY_CHOICE_OF_ANSWERS = ("infit", "outfit", "circular")


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """Yield a diagnosis as lines for the terminal."""
    yield f"{found.n_answers} answers, {found.n_indecisions} of them indecision; model {found.specification.model}"
    yield from gate_lines(found)
    if found.participants:
        yield ""
        yield from participant_lines(found.participants)
        yield ""
        yield from flag_lines(found.participants, found.flags)
    for left_out in found.left_out[:1]:
        yield ""
        yield from left_out_lines(left_out)
    for left_out in found.left_out[1:]:
        yield _largest_shift(left_out)
    if any(f.name in _BY_CHOICE_OF_ANSWERS for f in found.flags):
        yield (
            "Note: infit, outfit and circular flags rest on the choices themselves; leaving these respondents out "
            "makes the rest look more of one mind, whoever is right"
        )
    if found.agreement is not None:
        yield ""
        yield from agreement_lines(found.agreement)
    if found.drift is not None:
        yield ""
        yield from drift_lines(found.drift)
    if found.drift_refused:
        yield f"The weights of the waves cannot be compared: {found.drift_refused}"
    if found.quality is not None:
        yield ""
        yield from quality_lines(found.quality)
    for note in found.notes:
        yield f"Note: {note}"


def gate_lines(found: Diagnosis) -> Iterator[str]:
    """Yield whether the answers determine the estimate, in words."""
    graph = found.graph
    total = graph.n_pairs_asked + graph.n_pairs_never_asked
    n_profiles = sum(len(island) for island in graph.islands)
    yield f"{n_profiles} profiles; {graph.n_pairs_asked} of {total} pairs were asked"
    if graph.pairs_never_asked and found.specification.effect_kind is EffectKind.PROFILES:
        pairs = ", ".join(f"{a} / {b}" for a, b in graph.pairs_never_asked[:_MOST])
        yield f"  never asked: {pairs}{_more(graph.n_pairs_never_asked - _MOST)}"
    yield from _graph_lines(graph, found.specification.effect_kind)
    if found.refused:
        yield f"REFUSED: {found.refused}"
    elif found.fit is not None and found.fit.gate.reason:
        yield f"REGULARIZED: {found.fit.gate.reason}"
    else:
        yield "These answers determine the estimate."


def _graph_lines(graph: Connectivity, effects: EffectKind) -> Iterator[str]:
    if not graph.is_connected:
        n = len(graph.islands)
        what = f"the profiles fall into {n} groups that were never compared with each other"
        if effects is EffectKind.ATTRIBUTES:
            yield f"{what}; attributes that they share tie them together"
            return
        yield f"{what}:"
        for island in graph.islands[:_MOST]:
            yield f"  {', '.join(island[:_MOST])}{_more(len(island) - _MOST)}"
    if effects is EffectKind.PROFILES:
        for what, names in (
            ("won every decided comparison", graph.only_won),
            ("lost every decided comparison", graph.only_lost),
        ):
            if names:
                yield f"{what}: {', '.join(names[:_MOST])}{_more(len(names) - _MOST)}"


def participant_lines(people: Sequence[Participant]) -> Iterator[str]:
    """Yield how respondents answered, over all of them."""
    answers = [p.n_answers for p in people]
    yield f"{len(people)} respondents, {median(answers):g} answers each ({min(answers)} to {max(answers)})"
    shares = [p.indecision_share for p in people]
    never, always = sum(s == 0 for s in shares), sum(s == 1 for s in shares)
    yield (
        f"indecision: {_percent(median(shares))} in the median, {_percent(max(shares))} at most; "
        f"{never} never, {always} always"
    )
    timed = [p.attention.median_seconds for p in people if p.attention.median_seconds is not None]
    if timed:
        yield f"median seconds per comparison: {median(timed):.1f} ({min(timed):.1f} to {max(timed):.1f})"
    triads = [p for p in people if p.triads.completed]
    if triads:
        completed = sum(p.triads.completed for p in triads)
        circular = sum(p.triads.circular for p in triads)
        complete = sum(p.triads.is_complete for p in triads)
        yield (
            f"circular triads: {circular} of {completed} completed ({_percent(circular / completed)}; guessing "
            f"gives 25 %), none in {sum(not p.triads.circular for p in triads)} of {len(triads)} respondents with "
            f"completed triads, {complete} of them with a round robin"
        )
        worst = sorted(triads, key=lambda p: -p.triads.circular)[:_MOST]
        for p in worst:
            if p.triads.circular:
                zeta = "" if p.triads.zeta is None else f", zeta {p.triads.zeta:.2f}"
                bound = "" if p.triads.is_complete else " at most"
                yield f"  {p.respondent}: {p.triads.circular} of{bound} {p.triads.most} possible{zeta}"
    else:
        yield "circular triads: nobody decided three profiles pair by pair, so none can be circular"
    fits = [p.fit for p in people if p.fit is not None]
    if fits:
        for name in ("infit", "outfit"):
            values = [getattr(f, name) for f in fits]
            yield (
                f"{name}: {mean(values):.2f} on average, {min(values):.2f} to {max(values):.2f}, "
                f"above 1.5 for {sum(v > 1.5 for v in values)}"
            )
    repeats = [p.reliability for p in people if p.reliability is not None]
    if repeats:
        yield f"repeats answered as before: {_percent(mean(repeats))} (mean of {len(repeats)} respondents)"


def flag_lines(people: Sequence[Participant], flags: Sequence[Flag]) -> Iterator[str]:
    """Yield each flag with its rule and who it concerns. All these respondents are in all results."""
    if not flags:
        yield "no respondent is flagged"
        return
    flagged = len({f.respondent for f in flags})
    yield f"{flagged} of {len(people)} respondents are flagged; nobody was left out of the results"
    for name in dict.fromkeys(f.name for f in flags):
        own = [f for f in flags if f.name == name]
        named = ", ".join(f"{f.respondent} ({f.value:.3g})" for f in own[:_MOST])
        yield f"  {name}: {len(own)}   {own[0].rule}"
        yield f"      {named}{_more(len(own) - _MOST)}"


def left_out_lines(found: LeftOut) -> Iterator[str]:
    """Yield the estimates with everybody and without some, side by side."""
    n = len(found.respondents)
    if found.fit is None:
        yield f"without the {n} respondents of flag '{found.flag}' there is no estimate: {found.refused}"
        return
    yield f"with everybody, and without the {n} respondents of flag '{found.flag}'"
    width = max(len(c.name) for c in found.changes)
    yield f"{'':<{width}}   {'everybody':<31}   without"
    for c in found.changes:
        yield f"{c.name:<{width}}   {_shown(c.everybody):<31}   {_shown(c.without)}"


def _largest_shift(found: LeftOut) -> str:
    n = len(found.respondents)
    if found.fit is None:
        return f"without the {n} of '{found.flag}' there is no estimate: {found.refused}"
    change = max(
        found.changes, key=lambda c: abs(c.without.value - c.everybody.value) / _half_width(c.everybody)
    )
    return (
        f"without the {n} of '{found.flag}': {change.name} moves most, from {change.everybody.value:+.4g} to "
        f"{change.without.value:+.4g}"
    )


def _half_width(estimate: Estimate) -> float:
    if estimate.low is None or estimate.high is None or estimate.high <= estimate.low:
        return 1.0
    return (estimate.high - estimate.low) / 2


def agreement_lines(found: Agreement) -> Iterator[str]:
    """Yield how alike respondents answered the same comparison in several waves."""
    yield (
        f"{found.n_comparisons} comparisons answered by one respondent in two waves or more "
        f"({found.n_respondents} respondents): alike {_share(found.share_same)}"
        + (f", chance-corrected {_plain(found.alpha)}" if found.alpha is not None else "")
    )
    if found.share_same_patient is not None:
        yield f"  the same patient where decided both times: {_share(found.share_same_patient)}"
    for w in found.waves:
        kappa = "" if w.kappa is None else f", kappa {_plain(w.kappa)}"
        yield (
            f"  wave {w.first} and {w.second}: {w.same} of {w.n_comparisons} alike{kappa}; other patient "
            f"{w.other_patient}, became undecided {w.became_undecided}, became decided {w.became_decided}"
        )
    if found.scenarios:
        yield "  least stable comparisons (mean share of a respondent's most frequent choice)"
        for s in found.scenarios[:_MOST]:
            yield (
                f"    {s.comparison.first.id} / {s.comparison.second.id}: {_plain(s.stability)} "
                f"({s.n_respondents} respondents)"
            )
    for note in found.notes:
        yield f"Note: {note}"


def drift_lines(found: Drift) -> Iterator[str]:
    """Yield what changed from wave to wave."""
    if found.test is not None and len(found.fits) > 2:
        yield f"weights over all {len(found.fits)} waves: {_test(found.test)}"
    for step in found.steps:
        yield from _step_lines(step)
    for note in found.notes:
        yield f"Note: {note}"


def _step_lines(step: WaveDrift) -> Iterator[str]:
    tested = "too few respondents to test" if step.test is None else _test(step.test)
    yield f"weights of wave {step.first} and wave {step.second}: {tested}"
    width = max(len(q.name) for q in step.quantities)
    for q in step.quantities:
        values = f"{q.first.value:<+10.4g} {q.second.value:<+10.4g}"
        yield f"  {q.name:<{width}}   {values} change {_shown(q.difference)}"
    chance = step.distance_by_chance
    yield (
        f"  distance of unit-length weights {step.distance:.3f} (without any change {chance.value:.3f}, "
        f"{chance.low or 0:.3f} … {chance.high or 0:.3f}); same patient predicted for "
        f"{_percent(step.same_prediction)} of the answers' comparisons"
    )


def _test(test: DriftTest) -> str:
    return f"F({test.df}, {test.df_error}) = {test.f:.2f}, p = {test.p:.3g} that nothing changed"


def _more(n: int) -> str:
    return f" and {n} more" if n > 0 else ""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _share(e: Estimate) -> str:
    interval = "" if e.low is None or e.high is None else f" ({100 * e.low:.1f} … {100 * e.high:.1f})"
    return f"{100 * e.value:.1f} %{interval}"


def _plain(e: Estimate) -> str:
    interval = "" if e.low is None or e.high is None else f" ({e.low:.2f} … {e.high:.2f})"
    return f"{e.value:.2f}{interval}"


def _shown(e: Estimate) -> str:
    interval = "" if e.low is None or e.high is None else f" ({e.low:+#.3g} … {e.high:+#.3g})"
    return f"{e.value:+#.4g}{interval}"
