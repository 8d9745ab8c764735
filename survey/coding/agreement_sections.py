"""What the page of results says of how far coders, and models with them, agree. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from survey.coding.agreement import Agreement, ModelAgreement
from survey.coding.coding_plots import agreement_plot
from survey.coding.number_words import category_words, counted, measured, number, shared
from survey.coding.page_blocks import Block, Drawing, Points, Section, Table
from survey.coding.pairs import PairAgreement
from survey.coding.results import Results


def agreement_section(results: Results) -> Section:
    """Return the section on agreement."""
    agreement = results.agreement
    return Section(
        heading="How far coders agree",
        blocks=tuple(_coders(agreement)),
        parts=(
            *(Section(heading=_names(pair), blocks=(pair_table(pair),)) for pair in agreement.pairs),
            *(
                Section(heading=f"Proposals of {model.model}", blocks=tuple(_model(model)))
                for model in agreement.models
            ),
        ),
    )


def agreement_sentences(agreement: Agreement) -> tuple[str, ...]:
    """Return what is compared and what comes out, over all categories."""
    work = ", ".join(f"{own.coder} {own.suggestions}" for own in agreement.coders)
    sentences = [
        f"{counted(agreement.by_two, 'suggestion')} of {agreement.suggestions} were coded by two coders or more; "
        "agreement is about these.",
        f"Suggestions coded by each: {work or 'nobody has coded any'}.",
    ]
    for name, measure in (
        ("Krippendorff's alpha of the sets of categories (MASI distance)", agreement.alpha),
        ("Krippendorff's alpha of equal or different sets", agreement.alpha_same),
    ):
        reason = f" ({measure.reason})" if measure.reason else ""
        sentences.append(f"{name}: {measured(measure)}{reason}.")
    return tuple(sentences)


def _coders(agreement: Agreement) -> Iterator[Block]:
    yield Points(sentences=agreement_sentences(agreement))
    if not agreement.categories:
        return
    yield Drawing(caption="Agreement on each category beyond chance", svg=agreement_plot(agreement))
    yield Table(
        caption="Krippendorff's alpha of each category, with 95 % intervals",
        head=("Category", "Suggestions", "Alpha", "Remark"),
        rows=tuple(
            (category_words(own), str(own.suggestions), measured(own.alpha), own.alpha.reason)
            for own in agreement.categories
        ),
        folded="The numbers in this picture",
    )
    yield Table(
        caption="Cohen's kappa over all categories, with 95 % intervals",
        head=("Coders", "Suggestions", "Same codes", "Mean kappa", "Pooled kappa"),
        rows=tuple(
            (
                _names(pair),
                str(pair.suggestions),
                measured(pair.equal),
                measured(pair.mean_kappa),
                measured(pair.pooled_kappa),
            )
            for pair in agreement.pairs
        ),
    )
    yield (
        "Kappa is low where a category is rare or common for both, even if they nearly always say the same. So "
        "prevalence (from −1, both always no, to 1, both always yes), bias (who says yes more often) and kappa "
        "adjusted for both (PABAK) stand beside it."
    )


def _names(pair: PairAgreement) -> str:
    return f"{pair.first} and {pair.second}"


def pair_table(pair: PairAgreement) -> Table:
    """Return how two agree on each category."""
    return Table(
        caption=f"{_names(pair)}, on {counted(pair.suggestions, 'suggestion')} that both coded",
        head=(
            "Category",
            "Both",
            f"Only {pair.first}",
            f"Only {pair.second}",
            "Kappa",
            "PABAK",
            "Prevalence",
            "Bias",
        ),
        rows=tuple(
            (
                category_words(own),
                str(own.table.both),
                str(own.table.only_first),
                str(own.table.only_second),
                measured(own.kappa),
                number(own.table.pabak),
                number(own.table.prevalence),
                number(own.table.bias),
            )
            for own in pair.categories
        ),
        folded=f"On each category: {_names(pair)}",
    )


def _model(model: ModelAgreement) -> Iterator[Block]:
    final = model.with_final
    yield Points(
        sentences=(
            f"It proposed something for {counted(model.proposals, 'suggestion')}; {model.without_final} of these "
            "have no final code yet and are left out here.",
            f"Same as the final codes: {measured(final.equal)}; pooled kappa {measured(final.pooled_kappa)}.",
            f"Precision, in percent of what it proposed: {shared(model.precision)}. Recall, in percent of the "
            f"final codes: {shared(model.recall)}.",
            "Coders who saw proposals before they coded agree with them for that reason, too.",
        )
    )
    yield Table(
        caption=(
            f"Proposals of {model.model} against the final codes, with 95 % intervals (Wilson's, as if suggestions "
            "of one respondent were independent)"
        ),
        head=("Category", "Final", "Proposed", "Both", "Precision, %", "Recall, %"),
        rows=tuple(
            (
                category_words(own),
                str(own.final),
                str(own.proposed),
                str(own.both),
                shared(own.precision),
                shared(own.recall),
            )
            for own in model.retrieval
        ),
    )
    yield Table(
        caption=f"{model.model} with each coder, and with the final codes, over all categories",
        head=("With", "Suggestions", "Same codes", "Mean kappa", "Pooled kappa"),
        rows=tuple(
            (
                pair.first,
                str(pair.suggestions),
                measured(pair.equal),
                measured(pair.mean_kappa),
                measured(pair.pooled_kappa),
            )
            for pair in (final, *model.with_coders)
        ),
    )
