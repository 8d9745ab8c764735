"""Where a chosen attribute comes from: mentions and people over its categories together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from survey.coding.choices import ChosenAttribute
from survey.coding.coding import CodeKind, Coding, CodingError
from survey.coding.counts import Named, named_by
from survey.coding.final import FinalCodes, How, final_codes
from survey.suggestions import Stance

_MOST_LISTED = 10
_WHAT = {Stance.SHOULD: "should count", Stance.SHOULD_NOT: "should not count"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How often the categories of one attribute were named. Only final codes of people's suggestions count."""

    categories: tuple[str, ...]
    """Standing ones, each once."""
    mentions: int
    """Suggestions with at least one of them."""
    asked_for: int | None
    """People asked what should count; None: nobody was."""
    for_people: int | None
    """Of them, those who named one of the categories; None where nobody was asked."""
    asked_against: int | None
    against_people: int | None
    open: int
    """Not counted: suggestions on which coders differ, some with one of them, and which nobody has settled."""


def counted(count: int, word: str) -> str:
    """Return e.g. ``1 suggestion`` or ``3 suggestions``."""
    return f"{count} {word}" + ("" if count == 1 else "s")


class Origins:
    """Counts the origins of attributes in one coding."""

    def __init__(self, coding: Coding, final: FinalCodes | None = None) -> None:
        self._coding = coding
        self._final = final or final_codes(coding)
        self._named: Named = named_by(coding, self._final)
        self._counted = self._ids()
        self._standing = {category.name: coding.standing(category.name) for category in coding.categories}

    @property
    def simulated(self) -> bool:
        """Whether simulated participants are counted, because there are no people."""
        return self._named.simulated

    @property
    def asked(self) -> int:
        """Respondents asked."""
        return len(self._named.asked)

    def asked_about(self, stance: Stance) -> int:
        """Return how many were asked one question."""
        return len(self._named.asked_about(stance))

    @property
    def coders(self) -> int:
        """People who coded something."""
        return len({code.coder for code in self._coding.codes if code.kind is CodeKind.CODER})

    def unknown(self, name: str) -> str:
        """Return what to say of a category that does not exist; empty: it does."""
        if name in self._standing:
            return ""
        known = [category.name for category in self._coding.current]
        near = get_close_matches(name, known, n=3) or known[:_MOST_LISTED]
        more = f" and {len(known) - len(near)} more" if len(known) > len(near) else ""
        return f"there is no category '{name}' in this coding; there are {', '.join(near) or 'none'}{more}"

    def of(self, categories: Sequence[str]) -> Origin:
        """Return the origin of an attribute of these categories; raises :class:`CodingError` for unknown ones."""
        for name in categories:
            if complaint := self.unknown(name):
                raise CodingError(complaint)
        standing = tuple(dict.fromkeys(self._standing[name] for name in categories))
        asked_for, asked_against = (self.asked_about(stance) or None for stance in Stance)
        return Origin(
            categories=standing,
            mentions=self._mentions(frozenset(standing)),
            asked_for=asked_for,
            for_people=self._people(standing, Stance.SHOULD) if asked_for else None,
            asked_against=asked_against,
            against_people=self._people(standing, Stance.SHOULD_NOT) if asked_against else None,
            open=self._open(frozenset(standing)),
        )

    def remarks(self, chosen: Iterable[ChosenAttribute]) -> tuple[str, ...]:
        """Return, in sentences, what a reader of the counts must know. Raises as :meth:`of`."""
        said = [
            f"nobody was asked what {_WHAT[stance]}: nothing is known of it"
            for stance in Stance
            if self.asked and not self.asked_about(stance)
        ]
        if uncoded := self._named.left_out.uncoded:
            said.append(f"{counted(uncoded, 'suggestion')} not coded yet and not counted: numbers may rise")
        used: dict[str, str] = {}
        for attribute in chosen:
            name = str(attribute.table.get("name", ""))
            said += self._remarks(name, attribute.categories)
            for category in self.of(attribute.categories).categories if attribute.categories else ():
                if category in used:
                    said.append(
                        f"category '{category}' stands behind '{used[category]}' and '{name}': its mentions are "
                        "counted for each"
                    )
                used.setdefault(category, name)
        return tuple(said)

    def _remarks(self, name: str, categories: Sequence[str]) -> Iterable[str]:
        if not categories:
            yield f"'{name}' was named by nobody: the researcher added it"
            return
        for category in categories:
            standing = self._standing.get(category, category)
            if standing != category:
                yield f"category '{category}' was merged into '{standing}', which is counted for '{name}'"
        origin = self.of(categories)
        for category in origin.categories:
            if self._coding.category(category).retired:
                yield f"category '{category}' of '{name}' is retired; what has it counts until coded anew"
        if not origin.mentions:
            yield f"'{name}' has no mention that counts"
        if origin.open:
            more = counted(origin.open, "more suggestion")
            yield f"'{name}': coders differ on {more}, not settled and not counted"

    def _people(self, categories: Iterable[str], stance: Stance) -> int:
        return len(frozenset[str]().union(*(self._named.people(category, stance) for category in categories)))

    def _mentions(self, categories: frozenset[str]) -> int:
        return sum(
            not self._final.of(suggestion).categories.isdisjoint(categories) for suggestion in self._counted
        )

    def _open(self, categories: frozenset[str]) -> int:
        differing = {
            code.suggestion
            for code in self._coding.codes
            if code.kind is CodeKind.CODER
            and code.category
            and self._standing[code.category] in categories
            and self._final.of(code.suggestion).how is How.OPEN
        }
        return len(differing & self._counted)

    def _ids(self) -> set[int]:
        """Return the suggestions that can be counted: to what their respondents were asked."""
        stances = {asked.respondent: asked.stances for asked in self._named.asked}
        return {
            suggestion.id
            for suggestion in self._coding.suggestions
            if suggestion.kind is self._named.kind
            and suggestion.stance in stances.get(suggestion.respondent, frozenset())
        }
