"""What the page of results says, section by section. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from survey.coding.agreement_sections import agreement_section
from survey.coding.coding_plots import counts_plot, ratings_plot, saturation_plot
from survey.coding.counts import CategoryCounts
from survey.coding.direction_sections import directions_sections
from survey.coding.groups import GroupCounts
from survey.coding.number_words import (
    category_words,
    counted,
    counts_sentences,
    differing,
    measured_mean,
    number,
    of_those_asked_both,
    probability,
    saturation_sentences,
    shared,
)
from survey.coding.opinions import Opinions
from survey.coding.page_blocks import Block, Drawing, Page, Points, Section, Table
from survey.coding.repeats import ModelCounts
from survey.coding.results import Results
from survey.coding.saturation import Saturation
from survey.suggestions import Stance

STANCE_WORDS = {Stance.SHOULD: "should count", Stance.SHOULD_NOT: "should not count"}


def page_of(results: Results, *, title: str = "") -> Page:
    """Return the page of all results."""
    counts = results.counts
    # A study of ratings alone asked nobody for attributes: zeros would say that nobody named any.
    named = results.opinions is None or counts.asked > 0 or results.final.suggestions > 0
    sections = [
        *([counts_section(counts), saturation_section(results.saturation)] if named else []),
        *([groups_section(results.groups)] if results.groups else []),
        *([ratings_section(results.opinions)] if results.opinions else []),
        *([models_section(results.models)] if results.models else []),
        *([agreement_section(results)] if named else []),
        *directions_sections(results),
        *([_methods_section(results)] if named else []),
    ]
    sha = f", coding {results.coding_sha256}" if results.coding_sha256 else ""
    return Page(
        title=f"Which attributes should count: {title or results.study}",
        lead=f"Study {results.study}, version {results.version}.",
        tags=("simulated",) if results.simulated else ("people",) if counts.asked else (),
        sections=tuple(sections),
        footer=f"Made with Equipoise. Design {results.design_hash}{sha}.",
    )


def counts_section(counts: CategoryCounts) -> Section:
    """Return the section on who named what."""
    return Section(
        heading="What should count, and what should not",
        blocks=(
            Points(sentences=counts_sentences(counts)),
            Drawing(
                caption="Share of those asked who named each category, with 95 % intervals",
                svg=counts_plot(counts),
            ),
            counts_table(counts),
        ),
    )


def counts_table(counts: CategoryCounts, *, caption: str = "Respondents who named each category") -> Table:
    """Return the numbers of all categories."""
    return Table(
        caption=f"{caption}, with 95 % intervals",
        head=(
            "Category",
            "Suggestions",
            "Should count, %",
            "Should not, %",
            f"Difference, points{f', {both}' if (both := of_those_asked_both(counts)) else ''}",
            "Named as both",
        ),
        rows=tuple(
            (
                category_words(count),
                str(count.mentions),
                shared(count.for_share),
                shared(count.against_share),
                differing(count.difference),
                str(count.both_people),
            )
            for count in counts.categories
        ),
    )


def saturation_section(curves: tuple[Saturation, ...]) -> Section:
    """Return the section on asking more people."""
    first, *others = curves
    return Section(
        heading="Would further people name something new?",
        blocks=(
            Drawing(
                caption="Categories named by so many people, with a 95 % band", svg=saturation_plot(first)
            ),
            Points(sentences=saturation_sentences(first)),
            *([_saturation_table(first)] if first.categories else []),
        ),
        parts=tuple(
            Section(
                heading=f"What {STANCE_WORDS[curve.stance]}",
                blocks=(Points(sentences=saturation_sentences(curve, with_limits=False)),),
            )
            for curve in others
            if curve.stance
        ),
    )


def _saturation_table(curve: Saturation) -> Table:
    """Return the curve at round numbers of people."""
    points = {p.people: p for p in (*curve.expected, *curve.extrapolated)}
    last = max(points)
    round_ones = {m * 10**k for k in range(len(str(last))) for m in (1, 2, 5)}
    # A long curve is computed at places that need not be round: the nearest one before is told.
    places = {max(t for t in points if t <= wanted) for wanted in round_ones if wanted <= last}
    return Table(
        caption="Expected number of categories; beyond those asked it is extrapolated, without interval",
        head=("People", "Categories", "95 % interval", "New by one more person"),
        rows=tuple(
            (
                number(t, 0),
                number(points[t].categories, 1),
                "–" if low is None or high is None else f"{number(low, 1)} to {number(high, 1)}",
                "–" if (new := points[t].new_of_next) is None else number(new),
            )
            for t in sorted(places | {curve.people, last})
            for low, high in [(points[t].low, points[t].high)]
        ),
        folded="The numbers of this curve",
    )


def groups_section(groups: tuple[GroupCounts, ...]) -> Section:
    """Return the section on who names what, by what people said of themselves."""
    return Section(
        heading="By what people say of themselves",
        blocks=(groups[0].method,),
        parts=tuple(Section(heading=g.question, blocks=tuple(_group_blocks(g))) for g in groups),
    )


def _group_blocks(counts: GroupCounts) -> Iterator[Block]:
    small = [group.option for group in counts.groups if group.is_small]
    if counts.did_not_say:
        yield f"{counts.did_not_say} did not say, and are in no group."
    if counts.overlap:
        yield "Somebody chose several options, and is in several groups."
    if small:
        yield f"Too small to say much of: {', '.join(small)}."
    yield Table(
        caption=f"Shares by {counts.question}, with 95 % intervals",
        head=("Category", "Asked what", *(f"{g.option} ({g.asked})" for g in counts.groups)),
        rows=tuple(
            (category_words(row), STANCE_WORDS[row.stance], *(shared(share) for share in row.shares))
            for row in counts.categories
        ),
    )
    yield Table(
        caption=f"Differences by {counts.question}, in percentage points; {counted(counts.tests, 'test')}",
        head=("Category", "Asked what", "Group", "Minus", "Difference", "P", "P, adjusted"),
        rows=tuple(
            (
                category_words(row),
                STANCE_WORDS[row.stance],
                contrast.first,
                contrast.second,
                differing(contrast.difference),
                probability(contrast.p),
                probability(contrast.p_adjusted),
            )
            for row in counts.categories
            for contrast in row.contrasts
        ),
        folded=f"Differences between groups of {counts.question}",
    )


def ratings_section(opinions: Opinions) -> Section:
    """Return the section on ratings and rankings."""
    blocks: list[Block] = [
        f"{counted(opinions.raters, 'respondent')} of {opinions.respondents} who went on from the list rated "
        "something.",
        Drawing(caption="How those who rated each attribute rated it", svg=ratings_plot(opinions)),
        Table(
            caption="Ratings, of those who rated the attribute, with 95 % intervals",
            head=("Attribute", "Acceptable, %", "Not acceptable, %", "Cannot say, %", "Left out by"),
            rows=tuple(
                (
                    o.label,
                    shared(o.acceptable),
                    shared(o.not_acceptable),
                    shared(o.cannot_say),
                    str(o.missing),
                )
                for o in opinions.attributes
            ),
        ),
    ]
    if opinions.places:
        blocks += [
            f"{counted(opinions.rankers, 'respondent')} ranked up to {opinions.places}; "
            f"{opinions.ranked_nothing} went on without ranking any. {opinions.borda_rule}",
            Table(
                caption="Places, with 95 % intervals",
                head=("Attribute", "First place, %", "Any place, %", "Mean place of those", "Borda points"),
                rows=tuple(
                    (
                        o.label,
                        shared(o.first),
                        shared(o.among_ranked),
                        measured_mean(o.mean_place),
                        measured_mean(o.borda),
                    )
                    for o in opinions.attributes
                ),
            ),
        ]
    return Section(heading="What is acceptable, and what matters most", blocks=tuple(blocks))


def models_section(models: tuple[ModelCounts, ...]) -> Section:
    """Return the section on what models named when asked the same."""
    return Section(
        heading="What models name",
        blocks=("Repeats of a model are no people: these intervals are about what it would say again.",),
        parts=tuple(
            Section(
                heading=own.model,
                blocks=(
                    Points(sentences=counts_sentences(own.counts)),
                    counts_table(own.counts, caption=f"Repeats of {own.model} that named each category"),
                ),
            )
            for own in models
        ),
    )


def _methods_section(results: Results) -> Section:
    final = results.final
    agreed = "; ".join(
        f"{n} agreed by {counted(coders, 'coder')}{' alone' if coders == 1 else ''}"
        for coders, n in final.agreed.items()
    )
    return Section(
        heading="How this was made",
        blocks=(
            Points(
                sentences=(
                    f"Of {counted(final.suggestions, 'suggestion')} in this coding {final.adjudicated} were "
                    f"adjudicated{'; ' + agreed if agreed else ''}; coders differ on {final.open}, which count for "
                    f"nothing until settled; {final.uncoded} are not coded.",
                    "What counts was coded by people. Models' proposals and groups of look-alikes count for "
                    "nothing.",
                    "The unit is the respondent: naming a category twice counts once. Who named nothing is counted "
                    "among those asked.",
                    "Shares have Wilson's interval. For minus against has Newcombe's interval for paired shares, "
                    "of those asked both.",
                    "Categories named by fewer people: Colwell, Mao and Chang (2004), exact over all orders; their "
                    "band: the variance of that number over samples of people from the population estimated by "
                    "Chao et al. (2014); number of categories: Chao2 (Chao 1987); coverage: Chao and Jost (2012).",
                    "Intervals of agreement: Student's, on Fisher's scale, with the standard deviation of "
                    f"{number(results.draws, 0)} bootstrap samples of whole respondents, seed {results.seed}; "
                    "coders are the same in each.",
                )
            ),
        ),
    )
