"""``suggestions.html``: people's suggestions beside models', one self-contained page made from the JSON alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from llm_compare.prompting.call import is_scripted
from llm_compare.report.blocks import Block, Figure, Page, Points, Section, Table, Warned
from llm_compare.report.number_words import (
    Reason,
    Record,
    counted,
    over_splits,
    percent,
    plain,
    points,
    share,
    size,
    whole,
)
from llm_compare.report.report import page_text
from llm_compare.suggesting.suggestions_plots import CategoryMarks, shares_beside_plot
from survey.coding.shares import Share, independent_difference, share_of

_QUESTIONS = {"should": "What should count", "should_not": "What should not count"}
_PEOPLE, _SIMULATED = "people", "simulated people"


def render(record: Record, *, source: tuple[str, str] | None) -> str:
    """Return the page. The same record gives the same text.

    Parameters
    ----------
    record
        Content of ``suggestions_compared.json``.
    source
        Name and SHA-256 of that file, named in the page; None if it was not written.
    """
    models = record["models"]
    tags = ["simulated" if record["is_simulated"] else "people"]
    tags += ["scripted" if is_scripted(m["model"]) else "model" for m in models]
    stances = [s for s in _QUESTIONS if any(s == b["stance"] for m in models for b in m["stances"])]
    return page_text(
        Page(
            title="What should count, by people and by models",
            lead=(
                f"Study {record['study']}, version {record['version']}: "
                f"{counted(record['suggestions'], 'suggestion')} of {people_words(record)} beside "
                f"{counted(len(models), 'model')}, coded by the same codebook."
            ),
            tags=tuple(dict.fromkeys(tags)),
            sections=(
                _summary(record),
                *(_stance_section(record, stance) for stance in stances),
                _left_out_section(record),
                _methods_section(record, source),
            ),
            footer="Made with Equipoise.",
        )
    )


def summary_sentences(model: Record, record: Record) -> list[str]:
    """Return what was found about one model, in plain sentences."""
    found = []
    for beside in model["stances"]:
        rank, overlap = beside["rank_correlation"], beside["overlap"]
        question = _QUESTIONS[beside["stance"]]
        found.append(
            f"{question}: categories in the order of shares agree with people's by tau-b {size(rank)}; halves of "
            f"the people agree by {over_splits(rank['people_halves'])}, the model and such a half by "
            f"{over_splits(rank['model_halves'])}."
        )
        found.append(
            f"{question}: the categories that at least {percent(record['least_share'])} of either name overlap by "
            f"{size(overlap)} (halves of the people: {over_splits(overlap['people_halves'])})."
        )
        found += _one_sided_words(beside, record["least_share"], question)
    return found


def _one_sided_words(beside: Record, least_share: float, question: str) -> Iterator[str]:
    people, model = one_sided(beside, least_share)
    if people:
        yield f"{question}: named by people and by no repeat of the model: {', '.join(people)}."
    if model:
        yield f"{question}: named by the model and by nobody of the people: {', '.join(model)}."


def one_sided(beside: Record, least_share: float) -> tuple[list[str], list[str]]:
    """Return labels that at least a share of the people name and no repeat of the model; and the reverse."""
    people = [
        category_words(c)
        for c in beside["categories"]
        if c["people"]["value"] >= least_share and not c["model"]["count"]
    ]
    model = [
        category_words(c)
        for c in beside["categories"]
        if c["model"]["value"] >= least_share and not c["people"]["count"]
    ]
    return people, model


def category_words(category: Record) -> str:
    """Return a category's label, and whether it was split or retired: ``Lifestyle (split)``."""
    return f"{category['label']} ({category['ended']})" if category["ended"] else str(category["label"])


def people_words(record: Record) -> str:
    """Return how many people the comparison is with, and whether they are simulated."""
    n = record["people"]
    if record["is_simulated"]:
        return f"{whole(n)} simulated participants"
    return "1 person" if n == 1 else f"{whole(n)} people"


def _summary(record: Record) -> Section:
    warned = [_no_people(m) for m in record["models"]]
    whose = [("the people", record), *((m["model"], m) for m in record["models"])]
    warned += [
        f"{counted(n, 'suggestion')} of {whole(r['suggestions'])} of {name} {'has' if n == 1 else 'have'} no final "
        "code yet: these shares can only rise by them, and no interval or score knows of it."
        for name, r in whose
        if (n := r["left_out"]["open"] + r["left_out"]["uncoded"])
    ]
    warned += [
        f"{counted(n, 'suggestion')} of {whole(r['suggestions'])} of {name} {'counts' if n == 1 else 'count'} in a "
        f"category that was split or retired since, until {'it is' if n == 1 else 'they are'} coded again: these "
        "shares may rise or fall by that, and no interval or score knows of it."
        for name, r in whose
        if (n := r["left_out"]["to_code_again"])
    ]
    if record["is_simulated"]:
        warned.append("The people are simulated: nothing here says what people think.")
    return Section(
        heading="In short",
        is_summary=True,
        blocks=(Warned(sentences=tuple(warned)),),
        parts=tuple(
            Section(
                heading=f"{m['model']}, {counted(m['repeats'], 'repeat')}",
                blocks=(Points(sentences=tuple(summary_sentences(m, record))),),
            )
            for m in record["models"]
        ),
    )


def _no_people(model: Record) -> str:
    if model["repeats"] == 1:
        return f"{model['model']} was asked once: nothing here says what it would name another time."
    return (
        f"The repeats of {model['model']} are answers of one model to the same words, not answers of "
        f"{whole(model['repeats'])} people: its intervals say what more repeats would bring."
    )


def _stance_section(record: Record, stance: str) -> Section:
    asked = {m["model"]: b for m in record["models"] for b in m["stances"] if b["stance"] == stance}
    rows = _categories(asked)
    people = _SIMULATED if record["is_simulated"] else _PEOPLE
    names = (people, *asked)
    marks = [
        CategoryMarks(
            label=label,
            shares=[(people, of_people), *((name, by_model.get(name)) for name in asked)],
        )
        for label, of_people, by_model in rows
    ]
    title = f"{_QUESTIONS[stance]}: shares that name each category"
    numbers = Table(
        caption=title,
        head=("category", *names),
        rows=tuple(
            (
                label,
                share(_measured(of_people)),
                *(share(_measured(by_model[name])) if name in by_model else "–" for name in asked),
            )
            for label, of_people, by_model in rows
        ),
    )
    blocks: list[Block] = [
        f"{counted(next(iter(asked.values()))['people'], 'respondent')} of the people were asked; one names "
        f"{plain(next(iter(asked.values()))['people_mean'], 1)} categories on average. "
        + " ".join(
            f"Of {name}, {counted(b['repeats'], 'repeat')}; one names {plain(b['model_mean'], 1)}."
            for name, b in asked.items()
        )
    ]
    if rows:
        blocks.append(Figure(picture=shares_beside_plot(marks, names, title=title), table=numbers))
        blocks.append(_differences(asked, rows))
    blocks.append(_scores(asked, record))
    return Section(heading=_QUESTIONS[stance], blocks=tuple(blocks))


def _categories(asked: Mapping[str, Record]) -> list[tuple[str, Record, dict[str, Record]]]:
    """Return label, people's share and the models' shares of each category that anybody names."""
    labels: dict[str, str] = {}
    people: dict[str, Record] = {}
    models: dict[str, dict[str, Record]] = {}
    for name, beside in asked.items():
        for category in beside["categories"]:
            labels.setdefault(category["category"], category_words(category))
            people.setdefault(category["category"], category["people"])
            models.setdefault(category["category"], {})[name] = category["model"]
    for name, beside in asked.items():
        for category in labels:
            # Named by others alone, and so by none of this model's repeats.
            models[category].setdefault(name, _nobody(beside["repeats"]))
    order = sorted(labels, key=lambda c: (-people[c]["value"], -max(m["value"] for m in models[c].values())))
    return [(labels[c], people[c], models[c]) for c in order]


def _nobody(of: int) -> Record:
    found = share_of(0, of)
    if found is None:
        raise ValueError("nobody was asked")
    return asdict(found)


def _measured(found: Record) -> Record:
    return {**found, "reason": ""}


def _differences(asked: Mapping[str, Record], rows: Sequence[tuple[str, Record, dict[str, Record]]]) -> Table:
    def difference(model: Record, people: Record) -> str:
        found = independent_difference(Share(**model), Share(**people))
        return points(
            {"value": found.value, "low": found.low, "high": found.high, "reason": ""}, has_unit=False
        )

    return Table(
        caption="Share of the model’s repeats minus share of the people, in percentage points (95 % interval)",
        head=("category", *asked),
        rows=tuple(
            (label, *(difference(by_model[name], of_people) for name in asked))
            for label, of_people, by_model in rows
        ),
    )


def _scores(asked: Mapping[str, Record], record: Record) -> Table:
    measures = (
        ("rank_correlation", "tau-b of categories by share"),
        ("overlap", f"overlap of categories named by at least {percent(record['least_share'])}"),
        ("distance", "mean distance of shares"),
    )
    rows = []
    for name, beside in asked.items():
        for key, words in measures:
            score = beside[key]
            rows.append(
                (
                    f"{name}: {words}",
                    size(score),
                    _halves(score["model_halves"]),
                    _halves(score["people_halves"]),
                )
            )
    return Table(
        caption="How close each model is to people, beside how close people are to each other",
        head=("", "model and all people", "model and half of the people", "halves of the people"),
        rows=tuple(rows),
    )


def _halves(found: Record) -> str:
    if found["mean"] is None:
        return Reason("not known: too few people")
    return over_splits(found)


def _left_out_section(record: Record) -> Section:
    people = "simulated people" if record["is_simulated"] else "people"
    rows = [(people, record), *((m["model"], m) for m in record["models"])]
    names = ("open", "uncoded", "no_category", "unusable", "not_asked", "to_code_again")
    return Section(
        heading="What is not counted, and what may change",
        blocks=(
            "A suggestion counts in the categories of its final code: what was adjudicated, else what all coders "
            "agree on. These are in no category; the last ones are in one that was split or retired since, until "
            "they are coded again.",
            Table(
                caption="Suggestions without a category, and those to code again",
                head=(
                    "",
                    "suggestions",
                    "coders differ",
                    "not coded",
                    "no category fits",
                    "unusable",
                    "question not finished",
                    "to code again",
                ),
                rows=tuple(
                    (name, whole(r["suggestions"]), *(whole(r["left_out"][n]) for n in names))
                    for name, r in rows
                ),
            ),
        ),
    )


def _methods_section(record: Record, source: tuple[str, str] | None) -> Section:
    made_from = f" It was made from {source[0]}, SHA-256 {source[1]}." if source else ""
    return Section(
        heading="How this was made",
        blocks=(
            "Models were asked the open questions of the study in the words that people read, each question in a "
            "conversation of its own. Refused, cut off and unreadable replies are no answers; a reply that names "
            "nothing is one.",
            "Shares are of the respondents asked, those who name nothing included, with Wilson’s 95 % intervals; "
            "differences have Newcombe’s for independent shares. A model’s respondents are repeats of it.",
            "tau-b is Kendall’s, over the categories that anybody names on this question. The overlap is the "
            f"Jaccard index of the sets that at least {percent(record['least_share'])} of each side name. The "
            "distance is the mean absolute difference of the two shares of a category. Their intervals take people "
            f"and repeats anew ({whole(record['draws'])} draws): the number plus and minus its standard error "
            "times the t quantile for the smaller side; of the overlap, which takes few values, where 95 % of the "
            "draws lie.",
            f"The ceiling splits the people at random into halves, {whole(record['splits'])} times: the mean, and "
            f"where {percent(0.95)} of the halvings lie. Halves are smaller than the whole, so compare them with "
            "the model beside half of the people.",
            f"Seed {record['seed']}. Design SHA-256 {record['design_hash']}. Coding SHA-256 "
            f"{record['coding_sha256']}.{made_from}",
        ),
    )
