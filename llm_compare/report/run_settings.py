"""What else is not the same in two runs of a study: models, dates, prompts, settings, people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from llm_compare.report.method_sections import prompt_text

Record = Mapping[str, Any]
Side = Sequence[Record]
"""The whole record, and what was measured of the model."""

_SHORT = 12
_NO_PROMPT = "no prompt in the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """One thing in an earlier and a later run."""

    what: str
    earlier: str
    later: str
    is_same: bool


def differences(one: Side, other: Side) -> tuple[Differs, ...]:
    """Return everything a reader compares first, equal or not."""
    sides = [_described(*side) for side in (one, other)]
    return tuple(
        Differs(
            what=what, earlier=sides[0][what], later=sides[1][what], is_same=sides[0][what] == sides[1][what]
        )
        for what in sides[0]
    )


def _described(record: Record, model: Record) -> dict[str, str]:
    calls, people, methods = model["calls"], record["people"], record["methods"]
    prompt = headline_prompt(model)
    respondents = people["n_respondents"]
    return {
        "model asked for": calls["model"],
        "answered by": ", ".join(calls["returned_models"]) or "not said by the provider",
        "fingerprints": ", ".join(calls["fingerprints"]) or "none given",
        "server": ", ".join(calls["addresses"]) or "the provider’s own, or a script",
        "asked (UTC)": f"{calls['first_asked']} to {calls['last_asked']}"
        if calls["first_asked"]
        else "no date",
        "variant of the prompt": model["variant"],
        "settings": "none" if prompt is None else str(dict(sorted(prompt["parameters"].items()))),
        "repeats": str(calls["n_repeats"]),
        "design hash": record["study"]["design_hash"][:_SHORT],
        "people": f"{people['n_answers']} answers of "
        f"{'an unknown number of' if respondents is None else respondents} people to {people['n_comparisons']} "
        "comparisons",
        "rules that read replies": f"version {methods['parser']}",
        "intervals": f"{methods['n_draws']} draws, {methods['population']}",
    }


def headline_prompt(model: Record) -> Record | None:
    """Return the first prompt of the variant that is compared with people."""
    prompts = [p for p in model["calls"]["prompts"] if p["variant"] == model["variant"]]
    return prompts[0] if prompts else None


def prompt_difference(one: Record, other: Record) -> str:
    """Return the lines in which two prompts differ; empty where they do not."""
    before, after = (_prompt(model).splitlines() for model in (one, other))
    return "\n".join(unified_diff(before, after, "earlier", "later", lineterm=""))


def _prompt(model: Record) -> str:
    prompt = headline_prompt(model)
    return _NO_PROMPT if prompt is None else prompt_text({**prompt, "parameters": {}})


def warnings_between(one: Side, other: Side, *, same_people: bool, n_common: int) -> tuple[str, ...]:
    """Return why a difference between two runs need not be a change of the model.

    Parameters
    ----------
    same_people
        Whether people's answers to the comparisons in common are the same in both.
    """
    (record_one, model_one), (record_other, model_other) = one, other
    found = []
    hashes = [record["study"]["design_hash"] for record in (record_one, record_other)]
    if hashes[0] != hashes[1]:
        found.append(
            f"The studies differ (design hash {hashes[0][:_SHORT]} and {hashes[1][:_SHORT]}): patients, words or "
            "answers on offer may be others."
        )
    if _prompt(model_one) != _prompt(model_other):
        found.append("The prompts differ: what changed may be the prompt’s doing.")
    if model_one["variant"] != model_other["variant"]:
        found.append(
            f"Other variants of the prompt are compared: {model_one['variant']} and {model_other['variant']}."
        )
    counts = [
        (record["people"]["n_answers"], record["people"]["n_comparisons"])
        for record in (record_one, record_other)
    ]
    if not same_people or counts[0] != counts[1]:
        found.append(
            "The people’s answers differ: changes of distance from people, agreement and percentile may be "
            "theirs."
        )
    if record_one["methods"]["parser"] != record_other["methods"]["parser"]:
        found.append(
            "The replies were read by different versions of the rules; read both again with one version."
        )
    if not n_common:
        found.append("No comparison is in both runs, so nothing is paired.")
    return tuple(found)
