"""The columns of the registry that the tasks use, with their meaning and the words prompts use for them. Pure.

Source: Table of features and prompts of "Evaluating Large Language Models for Fair and Reliable Organ Allocation"
(arXiv 2504.03716v2), appendices A and B; names are those of OPTN's STAR files.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a column holds."""

    WORD = "word"
    CODE = "code"
    """A whole number that stands for something: an antigen."""
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of candidates or kidneys."""

    name: str
    """As in the registry."""
    meaning: str
    prompt_words: str
    """As the paper's prompts explain it."""
    kind: Kind
    is_demographic: bool = False
    """Whether people are told apart by it, rather than patients."""


def _antigens(who: str, prefix: str, meaning: str) -> tuple[Column, ...]:
    return tuple(
        Column(
            name=prefix + antigen,
            meaning=meaning.format(antigen),
            prompt_words=f"{who} {antigen} ANTIGEN",
            kind=Kind.CODE,
        )
        for antigen in ("A1", "A2", "B1", "B2", "DR1", "DR2")
    )


CANDIDATE_COLUMNS: tuple[Column, ...] = (
    Column(
        name="ABO",
        meaning="Candidate Blood Group @ Registration",
        prompt_words="CANDIDATE BLOOD TYPE",
        kind=Kind.WORD,
    ),
    *_antigens("CANDIDATE", "", "Candidate {} Antigen from Waitlist"),
    Column(name="AGE", meaning="Candidate Age (Yrs)", prompt_words="CANDIDATE AGE (YRS)", kind=Kind.NUMBER),
    Column(
        name="HGT_CM_TCR",
        meaning="Candidate Height @ Registration",
        prompt_words="CALCULATED CANDIDATE HEIGHT (CM)",
        kind=Kind.NUMBER,
    ),
    Column(
        name="WGT_KG_TCR",
        meaning="Candidate Weight (kg) @ Registration",
        prompt_words="CALCULATED CANDIDATE WEIGHT (KG)",
        kind=Kind.NUMBER,
    ),
    Column(
        name="GENDER",
        meaning="Candidate Gender",
        prompt_words="CANDIDATE GENDER",
        kind=Kind.WORD,
        is_demographic=True,
    ),
    Column(
        name="ETHCAT",
        meaning="Candidate Ethnicity Category",
        prompt_words="CANDIDATE ETHNICITY CATEGORY",
        kind=Kind.WORD,
        is_demographic=True,
    ),
    Column(
        name="EDUCATION",
        meaning="Candidate Highest Educational Level @ Registration",
        prompt_words="CANDIDATE HIGHEST EDUCATIONAL LEVEL",
        kind=Kind.WORD,
        is_demographic=True,
    ),
    Column(
        name="WORK_INCOME_TCR",
        meaning="Work for Income at Registration?",
        prompt_words="CANDIDATE WORK FOR INCOME?",
        kind=Kind.WORD,
        is_demographic=True,
    ),
    Column(
        name="DAYSWAIT_CHRON_KI",
        meaning="Candidate Days on Waitlist",
        prompt_words="CANDIDATE DAYS ON WAITLIST",
        kind=Kind.NUMBER,
    ),
    Column(
        name="PERM_STATE",
        meaning="Candidate State of Residency @ Registration",
        prompt_words="CANDIDATE STATE OF RESIDENCY",
        kind=Kind.WORD,
        is_demographic=True,
    ),
)
"""The 16 of candidates, in the order of the paper's prompts."""

KIDNEY_COLUMNS: tuple[Column, ...] = (
    Column(name="ABO_DON", meaning="Donor Blood Type", prompt_words="DONOR BLOOD TYPE", kind=Kind.WORD),
    *_antigens("DONOR", "D", "Donor {} Antigen"),
    Column(name="AGE_DON", meaning="Donor Age (Yrs)", prompt_words="DONOR AGE (YRS)", kind=Kind.NUMBER),
    Column(
        name="HGT_CM_DON_CALC",
        meaning="Calculated Donor Height (cm)",
        prompt_words="CALCULATED DONOR HEIGHT (CM)",
        kind=Kind.NUMBER,
    ),
    Column(
        name="WGT_KG_DON_CALC",
        meaning="Calculated Donor Weight (kg)",
        prompt_words="CALCULATED DONOR WEIGHT (KG)",
        kind=Kind.NUMBER,
    ),
    Column(
        name="GENDER_DON",
        meaning="Donor Gender",
        prompt_words="DONOR GENDER",
        kind=Kind.WORD,
        is_demographic=True,
    ),
    Column(
        name="ETHCAT_DON",
        meaning="Donor Ethnicity Category",
        prompt_words="DONOR ETHNICITY CATEGORY",
        kind=Kind.WORD,
        is_demographic=True,
    ),
    Column(
        name="HOME_STATE_DON",
        meaning="Donor Home State",
        prompt_words="DONOR HOME STATE",
        kind=Kind.WORD,
        is_demographic=True,
    ),
)
"""The 13 of kidneys, in the order of the paper's prompts."""

CANDIDATE_PLACE = {column.name: i for i, column in enumerate(CANDIDATE_COLUMNS)}
KIDNEY_PLACE = {column.name: i for i, column in enumerate(KIDNEY_COLUMNS)}

GROUPINGS = {
    "gender": "GENDER",
    "ethnicity": "ETHCAT",
    "education": "EDUCATION",
    "work": "WORK_INCOME_TCR",
    "state": "PERM_STATE",
}
"""Attributes by which candidates are grouped, or which a counterfactual changes, and their columns."""
