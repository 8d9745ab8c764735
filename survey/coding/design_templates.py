"""Files to begin with: choices with the words left open, and the table of attributes to rate. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from survey.coding.coding import Coding, CodingError
from survey.coding.counts import CategoryCount, counts_of
from survey.coding.directions import Directions, DirectionsGiven
from survey.coding.final import FinalCodes, final_codes
from survey.coding.number_words import directions_words
from survey.coding.origins import Origins, counted
from survey.coding.to_design import USUAL_COMPARISONS
from survey.coding.toml_text import comment_lines, toml_text
from survey.design_file.attributes_asked import AcceptabilityTable
from survey.design_file.complaints import message

_LEVELS = [{"name": "one", "words": ""}, {"name": "other", "words": ""}]
_NO_WORDS = (
    "Fill in the words of the levels (or of a range), take out what is not to be an attribute, then run"
)


def template_for(coding: Coding, *, at_least: int = 1, final: FinalCodes | None = None) -> str:
    """Return the text of a choices file to fill in: an attribute for each standing category, most named first.

    Parameters
    ----------
    at_least
        Leave out categories that fewer respondents named, for or against.

    Raises
    ------
    CodingError
        No category was named by as many.
    """
    final = final or final_codes(coding)
    counts = counts_of(coding, final)
    given = DirectionsGiven(coding, final)
    shown = [count for count in counts.categories if count.mentions and count.either_people >= at_least]
    if not shown:
        raise CodingError(
            f"no category of study '{coding.study}' was named by {at_least} or more respondents in codes that "
            "count; code and settle suggestions first, or ask for categories that fewer named"
        )
    who = "simulated participants" if counts.simulated else "people"
    head = comment_lines(
        [
            f"Choices for a design, from what {who} named in study '{coding.study}' version {coding.version}: "
            f"{counts.asked} were asked.",
            f"{_NO_WORDS}: equipoise survey coding design {coding.study} THIS_FILE --out design.toml",
            "",
            "Any other table of a design ([texts], [profiles], [[demographics]] …) may stand here, too, and is "
            "taken over as it is; what is left out gets a default.",
        ]
    )
    study = {
        "slug": f"{coding.study}-compared",
        "title": "Who should get the kidney?",
        "version": "1",
        "language": "en",
        "comparisons_per_respondent": USUAL_COMPARISONS,
    }
    parts = ["\n".join(head), toml_text({"study": study}).rstrip("\n")]
    parts += [_block(coding, count, counts.asked, given.of([count.category])) for count in shown]
    return "\n\n".join(parts) + "\n"


def _block(coding: Coding, count: CategoryCount, asked: int, directions: Directions) -> str:
    category = coding.category(count.category)
    said = [
        f"{category.label}: {count.either_people} of {asked} named it in {counted(count.mentions, 'suggestion')}, "
        f"{count.for_people} as something that should count, {count.against_people} as something that should not."
    ]
    if category.definition:
        said.append(f"Definition for coders: {category.definition}")
    if directions.people > directions.none:
        said.append(f"Who should come first because of it: {directions_words(directions)}")
        if directions.others:
            said.append(
                f"Read them before you set favours or favoured: equipoise survey coding list {coding.study} "
                f"--category {category.name}"
            )
    # The label is a coder's; what a respondent reads above the row may need other words.
    table = {
        "category": category.name,
        "name": category.name,
        "label": category.label,
        "kind": "categorical",
        "levels": _LEVELS,
    }
    return "\n".join([*comment_lines(said), toml_text({"attributes": [table]}).rstrip("\n")])


def acceptability_for(coding: Coding, names: Sequence[str], *, final: FinalCodes | None = None) -> str:
    """Return the table [acceptability] of a design in which respondents rate these categories, as TOML text.

    Labels and definitions are taken over as they are, in the order given.

    Raises
    ------
    CodingError
        A category does not exist, one is given twice, or they make no table that a design can have.
    """
    origins = Origins(coding, final)
    for name in names:
        if complaint := origins.unknown(name):
            raise CodingError(complaint)
    standing = [coding.standing(name) for name in names]
    twice = next((name for i, name in enumerate(standing) if name in standing[:i]), None)
    if twice is not None:
        raise CodingError(
            f"category '{twice}' is given twice, itself or by what was merged into it; give it once"
        )
    attributes = [
        {"name": category.name, "label": category.label}
        | ({"explanation": category.definition} if category.definition else {})
        for category in map(coding.category, standing)
    ]
    table = {
        "question": "Is it acceptable that this decides who gets a kidney first?",
        "explanation": "Other people named these. Say of each what you think; you may leave any out.",
        "acceptable": "Acceptable",
        "not_acceptable": "Not acceptable",
        "cannot_say": "I cannot say",
        "attributes": attributes,
    }
    try:
        AcceptabilityTable.model_validate(table)
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'the table'}: {message(dict(e))}" for e in error.errors()
        )
        raise CodingError(f"these categories make no table [acceptability]: {said}") from None
    return toml_text(
        {"acceptability": table},
        comment=[
            f"Named in study '{coding.study}' version {coding.version}. Explanations are the coders' definitions: "
            "word them for respondents. ranked = 3 with a ranking_question asks for a ranking, too."
        ],
    )
