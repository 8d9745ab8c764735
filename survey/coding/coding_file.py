"""Read and write ``coding.json``: a study's suggestions, categories, codes and who was asked, in one file.

It says how often somebody named what, so it stands beside every result made from it, by its SHA-256. One line per
category, suggestion, code and respondent; the same coding gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from survey.answers import RespondentKind
from survey.coding.coding import Asked, Category, Code, CodeKind, Coding, CodingError, Outcome, Suggestion
from survey.design_file.complaints import key_text
from survey.design_file.fields import LONGEST_NAME, Name
from survey.suggestions import Stance
from survey.writing import write_text

FORMAT = "equipoise coding"
FORMAT_VERSION = 1
LONGEST_LABEL = 200
"""Characters of a category's label; as many as the database keeps."""
_MOST_SAID = 20
_WAY_OUT = "'equipoise survey coding export' writes such a file"


def write_coding(path: Path, coding: Coding) -> str:
    """Write ``path`` whole or not at all; return the coding's SHA-256 (see :func:`coding_sha256`).

    Raises
    ------
    OSError
        It cannot be written; the error carries ``path``.
    """
    document = _document(coding)
    digest = _sha256(document)
    write_text(path, _text({**document, "sha256": digest}))
    return digest


def coding_text(coding: Coding) -> str:
    """Return what :func:`write_coding` writes."""
    document = _document(coding)
    return _text({**document, "sha256": _sha256(document)})


def coding_sha256(coding: Coding) -> str:
    """Return the SHA-256 (hex) that names a coding: of everything in its file, however that is laid out."""
    return _sha256(_document(coding))


def read_coding(path: Path) -> Coding:
    """Read ``coding.json``.

    Raises
    ------
    CodingError
        The file cannot be opened, is no coding, was changed after it was written, or does not agree with itself.
        The message names the file and what is wrong where in it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CodingError(f"{path}: {error.strerror}; name an existing file") from None
    except UnicodeDecodeError as error:
        raise CodingError(f"{path}: is not UTF-8 text ({error.reason}); {_WAY_OUT}") from None
    return coding_from_text(text, str(path))


def coding_from_text(text: str, where: str = "coding.json") -> Coding:
    """Return the coding that the text of a file holds; raises as :func:`read_coding` does."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodingError(f"{where}: is not JSON ({error}); {_WAY_OUT}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CodingError(f'{where}: is no coding (it does not say "format": "{FORMAT}"); {_WAY_OUT}')
    if document.get("format_version") != FORMAT_VERSION:
        raise CodingError(
            f"{where}: is a coding of format version {document.get('format_version')!r}, this program reads "
            f"{FORMAT_VERSION}; use the Equipoise that wrote it, or a newer one"
        )
    try:
        record = _CodingRecord.model_validate_json(text)
    except ValidationError as error:
        raise _complaints(where, (_said(e) for e in error.errors(include_url=False))) from None
    stated = document.pop("sha256", None)
    if stated is not None and stated != _sha256(document):
        raise CodingError(
            f"{where}: was changed after it was written: its content does not have the sha256 that it states; "
            "export it anew or, if the change is meant, remove the key 'sha256'"
        )
    coding = record.coding()
    raise_if_inconsistent(coding, where)
    return coding


def raise_if_inconsistent(coding: Coding, where: str) -> None:
    """Raise :class:`CodingError` unless the coding's parts agree with each other: names and ids are unique, what is
    referred to is there, no merge leads back to itself, and nobody says two things that exclude each other."""
    problems = list(
        chain(
            _category_problems(coding.categories),
            _suggestion_problems(coding.suggestions),
            _code_problems(coding),
            _doubles("asked", "respondent", [asked.respondent for asked in coding.asked]),
        )
    )
    if problems:
        raise _complaints(where, problems)


# --- what the file holds -------------------------------------------------------------------------------


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def _plain(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds the character NUL, which no database takes; remove it")
    return text


_Text = Annotated[str, AfterValidator(_plain)]
_Filled = Annotated[str, AfterValidator(_plain), AfterValidator(_not_blank)]
_Category = Annotated[str, Field(max_length=LONGEST_NAME)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _StudyRecord(_Record):
    slug: _Filled
    version: _Filled
    design_hash: str


class _CategoryRecord(_Record):
    name: Name
    label: Annotated[_Filled, Field(max_length=LONGEST_LABEL)]
    definition: _Text = ""
    merged_into: _Category = ""
    split_from: _Category = ""
    retired: bool = False


class _SuggestionRecord(_Record):
    id: int
    respondent: _Filled
    kind: RespondentKind
    stance: Stance
    text: _Filled
    why: _Text = ""
    direction: _Text = ""
    language: _Text = ""
    group: int | None = None


class _CodeRecord(_Record):
    suggestion: int
    kind: CodeKind
    coder: _Text
    outcome: Outcome
    category: _Category = ""
    at: datetime | None = None


class _AskedRecord(_Record):
    respondent: _Filled
    kind: RespondentKind
    simulated: bool
    stances: frozenset[Stance]
    stated: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    order: Annotated[int, Field(ge=0)] = 0


class _CodingRecord(_Record):
    format: Literal["equipoise coding"]
    format_version: Literal[1]
    study: _StudyRecord
    categories: tuple[_CategoryRecord, ...]
    suggestions: tuple[_SuggestionRecord, ...]
    codes: tuple[_CodeRecord, ...]
    asked: tuple[_AskedRecord, ...]
    sha256: str | None = None

    def coding(self) -> Coding:
        """Return the domain's object, in its documented order."""
        return ordered(
            Coding(
                study=self.study.slug,
                version=self.study.version,
                design_hash=self.study.design_hash,
                categories=tuple(Category(**dict(r)) for r in self.categories),
                suggestions=tuple(Suggestion(**dict(r)) for r in self.suggestions),
                codes=tuple(Code(**dict(r)) for r in self.codes),
                asked=tuple(Asked(**dict(r)) for r in self.asked),
            )
        )


def ordered(coding: Coding) -> Coding:
    """Return the coding with suggestions, codes and respondents in the order that ``Coding`` documents."""
    return Coding(
        study=coding.study,
        version=coding.version,
        design_hash=coding.design_hash,
        categories=coding.categories,
        suggestions=tuple(sorted(coding.suggestions, key=lambda s: s.id)),
        codes=tuple(
            sorted(coding.codes, key=lambda c: (c.suggestion, c.kind, c.coder, c.outcome, c.category))
        ),
        asked=tuple(sorted(coding.asked, key=lambda a: a.respondent)),
    )


def _document(coding: Coding) -> dict[str, Any]:
    """Return everything that the file says, but for its own hash."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "study": {"slug": coding.study, "version": coding.version, "design_hash": coding.design_hash},
        "categories": [category_record(category) for category in coding.categories],
        "suggestions": [_suggestion_record(suggestion) for suggestion in coding.suggestions],
        "codes": [_code_record(code) for code in coding.codes],
        "asked": [_asked_record(asked) for asked in coding.asked],
    }


def category_record(category: Category) -> dict[str, Any]:
    """Return a category as this file, and a codebook, hold it."""
    return {
        "name": category.name,
        "label": category.label,
        "definition": category.definition,
        "merged_into": category.merged_into,
        "split_from": category.split_from,
        "retired": category.retired,
    }


def _suggestion_record(suggestion: Suggestion) -> dict[str, Any]:
    return {
        "id": suggestion.id,
        "respondent": suggestion.respondent,
        "kind": suggestion.kind.value,
        "stance": suggestion.stance.value,
        "text": suggestion.text,
        "why": suggestion.why,
        "direction": suggestion.direction,
        "language": suggestion.language,
        "group": suggestion.group,
    }


def _code_record(code: Code) -> dict[str, Any]:
    return {
        "suggestion": code.suggestion,
        "kind": code.kind.value,
        "coder": code.coder,
        "outcome": code.outcome.value,
        "category": code.category,
        "at": code.at.isoformat() if code.at else None,
    }


def _asked_record(asked: Asked) -> dict[str, Any]:
    return {
        "respondent": asked.respondent,
        "kind": asked.kind.value,
        "simulated": asked.simulated,
        "stances": sorted(asked.stances),
        "stated": {question: list(options) for question, options in sorted(asked.stated.items())},
        "order": asked.order,
    }


def _sha256(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _text(document: Mapping[str, Any]) -> str:
    """Return JSON with a line for each key and for each entry of a list: people compare versions line by line."""
    parts = []
    for key, value in document.items():
        if isinstance(value, list) and value:
            lines = ",\n".join(f"    {json.dumps(entry, ensure_ascii=False)}" for entry in value)
            parts.append(f"  {json.dumps(key)}: [\n{lines}\n  ]")
        else:
            parts.append(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


# --- what may be wrong with it -------------------------------------------------------------------------


def category_problems(categories: Sequence[Category]) -> list[str]:
    """Return what is wrong with a codebook, each with its place; empty: nothing."""
    return list(_category_problems(categories))


def _category_problems(categories: Sequence[Category]) -> Iterator[str]:
    yield from _doubles("categories", "name", [category.name for category in categories])
    by_name = {category.name: category for category in categories}
    for number, category in enumerate(categories, start=1):
        for key, other in (("merged_into", category.merged_into), ("split_from", category.split_from)):
            if other and other not in by_name:
                yield f"categories[{number}].{key}: there is no category '{other}'"
        seen, here = {category.name}, category
        while here.merged_into in by_name:
            here = by_name[here.merged_into]
            if here.name in seen:
                yield (
                    f"categories[{number}].merged_into: '{category.name}' is merged into itself by way of "
                    f"{', '.join(sorted(seen))}"
                )
                break
            seen.add(here.name)


def _suggestion_problems(suggestions: Sequence[Suggestion]) -> Iterator[str]:
    yield from _doubles("suggestions", "id", [suggestion.id for suggestion in suggestions])


def _code_problems(coding: Coding) -> Iterator[str]:
    names = {category.name for category in coding.categories}
    ids = {suggestion.id for suggestion in coding.suggestions}
    outcomes: dict[tuple[int, CodeKind, str], set[Outcome]] = {}
    seen = set()
    for number, code in enumerate(coding.codes, start=1):
        place = f"codes[{number}]"
        if code.suggestion not in ids:
            yield f"{place}.suggestion: there is no suggestion {code.suggestion}"
        if (code.outcome is Outcome.CATEGORY) != bool(code.category):
            yield f"{place}.category: is given with the outcome 'category', and with no other"
        elif code.category and code.category not in names:
            yield f"{place}.category: there is no category '{code.category}'"
        if (code.kind is CodeKind.ADJUDICATED) == bool(code.coder):
            yield f"{place}.coder: is empty for what was adjudicated, and for nothing else"
        said = (code.suggestion, code.kind, code.coder)
        if (*said, code.outcome, code.category) in seen:
            yield f"{place}: stands there twice"
        seen.add((*said, code.outcome, code.category))
        before = outcomes.setdefault(said, set())
        if before and before != {code.outcome}:
            yield f"{place}.outcome: '{code.outcome.value}' excludes what the same coder says besides"
        before.add(code.outcome)


def _doubles(part: str, key: str, values: Sequence[object]) -> Iterator[str]:
    seen = set()
    for number, value in enumerate(values, start=1):
        if value in seen:
            yield f"{part}[{number}].{key}: {value!r} stands there twice"
        seen.add(value)


def _said(error: Any) -> str:
    kind, said = error["type"], str(error["msg"]).removeprefix("Value error, ")
    said = {"missing": "is missing", "extra_forbidden": "is not a key of this file"}.get(kind, said)
    return f"{key_text(tuple(error['loc'])) or 'the file'}: {said[0].lower()}{said[1:]}"


def _complaints(where: str, problems: Iterable[str]) -> CodingError:
    found = list(problems)
    more = [f"and {len(found) - _MOST_SAID} more"] if len(found) > _MOST_SAID else []
    return CodingError("\n".join(f"{where}: {problem}" for problem in (*found[:_MOST_SAID], *more)))
