"""Read ``protocol.toml``: everything about asking in one file. Complaints name line and key, all at once."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from llm_compare.asking.factorial import crossed
from llm_compare.asking.protocol import (
    AskedModel,
    AskedVariant,
    Choices,
    Protocol,
    RunLimits,
    address_complaint,
)
from llm_compare.asking.protocol_tables import (
    ChoicesTable,
    FactorialTable,
    ModelTable,
    ParaphraseTable,
    ProtocolTable,
    VariantTable,
)
from llm_compare.errors import BadProtocol, CannotAsk
from llm_compare.prompting.call import is_scripted
from llm_compare.prompting.variant import Paraphrase, Variant
from survey.design_file.complaints import Loc, bounded, complaint, key_lines, location, message


def read_protocol(path: Path) -> Protocol:
    """Read a protocol file. Paths in it are relative to its folder.

    Raises
    ------
    BadProtocol
        The file cannot be read, or says what cannot be; one line per complaint, with file, line and key.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadProtocol(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise BadProtocol(f"{path}: {error.strerror or error}; name an existing protocol file") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadProtocol(f"{path}: is not valid TOML: {error}; mend that place") from None
    return _Reader(document, str(path), key_lines(text), path).protocol(hashlib.sha256(data).hexdigest())


class _Reader:
    """Leads from tables to a protocol, noting complaints rather than stopping at the first."""

    def __init__(
        self, document: Mapping[str, object], where: str, lines: Mapping[Loc, int], path: Path
    ) -> None:
        self._document, self._where, self._lines, self._path = document, where, lines, path
        self._complaints: list[str] = []

    def protocol(self, sha256: str) -> Protocol:
        try:
            table = ProtocolTable.model_validate(self._document)
        except ValidationError as error:
            for e in error.errors():
                self._complain(location(self._document, e["loc"]), _words(dict(e)))
            raise self._refused() from None
        models = [self._model(i, row) for i, row in enumerate(table.model)]
        paraphrases = self._paraphrases(table.paraphrase)
        variants = [self._variant(i, row, paraphrases) for i, row in enumerate(table.variant)]
        if table.factorial is not None:
            variants += self._crossed(table.factorial, paraphrases)
        self._check_variants(variants)
        if self._complaints:
            raise self._refused()
        limits = table.limits
        try:
            return Protocol(
                models=tuple(models),
                variants=tuple(variants) or (AskedVariant(),),
                orders=table.attribute_orders,
                repeats=table.repeats,
                arm=table.arm,
                answered=None if table.answers is None else self._path.parent / table.answers,
                comparisons=table.comparisons,
                seed=table.seed,
                limits=RunLimits(**limits.model_dump(exclude_none=True)),
                file=self._path,
                sha256=sha256,
            )
        except CannotAsk as error:
            self._complain(("model",), str(error))
            raise self._refused() from None

    def _model(self, i: int, row: ModelTable) -> AskedModel:
        loc: Loc = ("model", i)
        if row.api_base is not None and (wrong := address_complaint(row.api_base)):
            self._complain((*loc, "api_base"), wrong)
        if is_scripted(row.model) and (row.api_base is not None or _choices(row) != Choices()):
            self._complain(
                loc,
                f"{row.model} is a scripted respondent; an address and settings mean nothing to it, drop them",
            )
        if (row.usd_per_million_in is None) != (row.usd_per_million_out is None):
            self._complain(loc, "a price needs both usd_per_million_in and usd_per_million_out; give both")
        price = None
        if row.usd_per_million_in is not None and row.usd_per_million_out is not None:
            price = (row.usd_per_million_in, row.usd_per_million_out)
        return AskedModel(
            model=row.model,
            api_base=row.api_base,
            label=row.label or "",
            choices=_choices(row),
            price=price,
            sends_schema=row.sends_schema,
        )

    def _paraphrases(self, rows: Sequence[ParaphraseTable]) -> dict[str, Paraphrase]:
        found: dict[str, Paraphrase] = {}
        for i, row in enumerate(rows):
            if row.name in found:
                self._complain(
                    ("paraphrase", i, "name"), f"there are two paraphrases '{row.name}'; rename one"
                )
            if not (row.introduction.strip() or row.instructions.strip() or row.question.strip()):
                self._complain(
                    ("paraphrase", i),
                    "says nothing in other words; give introduction, instructions or question",
                )
            found[row.name] = Paraphrase(
                name=row.name,
                introduction=row.introduction,
                instructions=row.instructions,
                question=row.question,
            )
        return found

    def _paraphrase(self, loc: Loc, name: str, known: Mapping[str, Paraphrase]) -> Paraphrase | None:
        if not name:
            return None
        if name not in known:
            self._complain(
                loc,
                f"there is no paraphrase '{name}'; there are {', '.join(known) or 'none'}, as [[paraphrase]]",
            )
        return known.get(name)

    def _variant(self, i: int, row: VariantTable, paraphrases: Mapping[str, Paraphrase]) -> AskedVariant:
        return AskedVariant(
            variant=Variant(
                name=row.name,
                framing=row.framing,
                persona=row.persona,
                answer_format=row.answer_format,
                indecision=row.indecision,
                language=row.language,
                paraphrase=self._paraphrase(("variant", i, "paraphrase"), row.paraphrase, paraphrases),
                marks=row.marks,
                indecision_place=row.indecision_place,
            ),
            choices=_choices(row),
        )

    def _crossed(self, table: FactorialTable, paraphrases: Mapping[str, Paraphrase]) -> list[AskedVariant]:
        named = [
            self._paraphrase(("factorial", "paraphrases"), name, paraphrases) for name in table.paraphrases
        ]
        return crossed(table, named)

    def _check_variants(self, variants: Sequence[AskedVariant]) -> None:
        """Complain of equal names, and of variants that are the same in all but name."""
        seen: dict[str, AskedVariant] = {}
        for asked in variants:
            name = asked.variant.name
            if name in seen:
                self._complain(("variant",), f"there are two variants '{name}'; rename one")
            for other, earlier in seen.items():
                same = (
                    earlier.variant.factors() == asked.variant.factors() and earlier.choices == asked.choices
                )
                if other != name and same:
                    self._complain(("variant",), f"variants '{other}' and '{name}' ask the same; drop one")
            seen[name] = asked

    def _complain(self, loc: Loc, text: str) -> None:
        self._complaints.append(complaint(self._where, self._lines, loc, text))

    def _refused(self) -> BadProtocol:
        return BadProtocol("\n".join(bounded(self._complaints)))


def _choices(row: ChoicesTable) -> Choices:
    return Choices(
        temperature=row.temperature,
        top_p=row.top_p,
        max_tokens=row.max_tokens,
        seed=row.seed,
        reasoning_effort=row.reasoning_effort,
    )


def _words(error: Mapping[str, object]) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a key that a protocol has; remove it or check its spelling (docs/asking.md lists them)"
    return message(error)
