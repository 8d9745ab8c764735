"""What came of evolving lists, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from llm_compare.allocation.waiting_list.outcomes import Quantity


def echo(line: str) -> None:
    """Say a line on standard error."""
    click.echo(line, err=True)


def say_course(found: Mapping[str, Any]) -> None:
    """Say what became of one respondent's kidneys, and of the groups."""
    counts = found["counts"]
    click.echo(
        f"{found['respondent']}: {counts['kidneys']} kidneys, {counts['accepted']} accepted, "
        f"{counts['declined_by_all']} declined by all, {counts['suited_nobody']} suited nobody, "
        f"{counts['without_ranking']} without a usable ranking"
    )
    unusable = ", ".join(f"{n} {what}" for what, n in found["reads"].items() if n and what != "answer")
    if unusable:
        click.echo(f"  rankings that allotted nothing: {unusable}")
    for row in found["rows"]:
        if row["quantity"] == Quantity.SURPLUS:
            suited = _value(found, Quantity.SUITED_SHARE, row)
            accepted = _value(found, Quantity.ACCEPTED_SHARE, row)
            if not suited or accepted is None:
                continue  # No kidney that somebody accepted suited any of them.
            click.echo(
                f"  {row['grouping']} {row['group']}: {100 * accepted:.0f} % of accepted kidneys, "
                f"{100 * suited:.0f} % of those they suited; {_points(row['estimate'])}"
            )


def say_difference(found: Mapping[str, Any]) -> None:
    """Say how two respondents differ on the same lists."""
    click.echo(f"{found['respondent']} less {found['baseline']}:")
    for row in found["rows"]:
        if row["quantity"] == Quantity.ACCEPTED_SHARE and row["estimate"]["value"] is not None:
            click.echo(f"  {row['grouping']} {row['group']}: {_points(row['estimate'])} of accepted kidneys")


def _value(found: Mapping[str, Any], quantity: Quantity, like: Mapping[str, Any]) -> float | None:
    """Return the number of the same group."""
    key = (quantity, like["grouping"], like["group"])
    value: float | None = next(
        r["estimate"]["value"] for r in found["rows"] if (r["quantity"], r["grouping"], r["group"]) == key
    )
    return value


def _points(estimate: Mapping[str, Any]) -> str:
    """Return a difference of shares in percentage points, with its interval."""
    value, low, high = (estimate[part] for part in ("value", "low", "high"))
    if low is None or high is None:
        return f"{_signed(value)} points (no interval: {estimate['reason']})"
    return f"{_signed(value)} points [{_signed(low)}, {_signed(high)}]"


def _signed(share: float) -> str:
    """Return a share in points with its sign; what rounds to 0 has none."""
    whole = round(100 * share)
    return f"{whole:+d}" if whole else "0"
