"""``equipoise exchange generate``: simulate a pool."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from estimation.commands.writing import check_outputs
from exchange.arc_success import success_rule
from exchange.pool import BloodGroup, Pool
from exchange.pool_model import MODELS, SAIDMAN
from exchange.pool_settings import read_settings, settings_text

_PATH = click.Path(dir_okay=False, path_type=Path)


def _print_settings(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        click.echo(settings_text(MODELS[value]), nl=False)
        ctx.exit()


@click.command("generate")
@click.option("--pairs", type=click.IntRange(min=0), required=True, help="Number of pairs.")
@click.option(
    "--ndds", type=click.IntRange(min=0), default=0, show_default=True, help="Number of non-directed donors."
)
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Same seed, same pool.")
@click.option(
    "--design",
    type=_PATH,
    help="Study that describes the patients; default: kidney-8 for the freedman2020 models, else kidney-numeric.",
)
@click.option(
    "--model",
    type=click.Choice(list(MODELS)),
    default=SAIDMAN.name,
    show_default=True,
    help="Published constants to draw from.",
)
@click.option("--settings", type=_PATH, help="Your own constants (TOML); those left out are the model's.")
@click.option(
    "--print-settings",
    type=click.Choice(list(MODELS)),
    is_eager=True,
    expose_value=False,
    callback=_print_settings,
    metavar="MODEL",
    help="Print a model's constants as a settings file, to start your own from, and stop.",
)
@click.option(
    "--compatible-pairs",
    is_flag=True,
    help="Keep pairs whose donor fits the own patient; they count among --pairs.",
)
@click.option(
    "--success",
    default="1",
    show_default=True,
    metavar="RULE",
    help="Probability that a planned transplant happens: 1, constant:0.7, or by the patient's cPRA: unos, apd.",
)
@click.option("--out", type=_PATH, required=True, help="Where to write the pool, e.g. pool.json.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def command(
    pairs: int,
    ndds: int,
    seed: int,
    design: Path | None,
    model: str,
    settings: Path | None,
    compatible_pairs: bool,
    success: str,
    out: Path,
    as_json: bool,
) -> None:
    """Simulate a pool, by default with the published constants of Saidman et al. (2006).

    A larger pool with the same seed contains every smaller one.

    \b
    Examples:
      equipoise exchange generate --pairs 256 --ndds 12 --seed 1 --out pool.json
      equipoise exchange generate --pairs 500 --ndds 25 --seed 1 --model unos-sparse --success unos --out pool.json
      equipoise exchange generate --print-settings saidman > my-country.toml
      equipoise exchange generate --pairs 100 --seed 1 --settings my-country.toml --out pool.json
    """
    from exchange.pool_file import write_pool
    from exchange.pool_generator import generate_pool
    from survey.design_file import example_design, read_design_with_comparisons

    check_outputs(("--out", out), inputs=(settings, design))
    rule = success_rule(success)
    chosen = MODELS[model] if settings is None else read_settings(settings, MODELS[model])
    if design is None:
        study = example_design("kidney-8" if chosen.profile_shares else "kidney-numeric")
    else:
        study = read_design_with_comparisons(design)
    pool = generate_pool(
        study,
        n_pairs=pairs,
        n_ndds=ndds,
        seed=seed,
        model=chosen,
        keep_compatible=compatible_pairs,
        success=rule,
    )
    write_pool(pool, out)
    counts = pool_counts(pool)
    if as_json:
        table = {"out": str(out), "seed": seed, "model": chosen.name, "success": rule.name, **counts}
        click.echo(
            json.dumps({**table, "study": study.slug, "note": pool.note}, indent=1, ensure_ascii=False)
        )
        return
    kept = f" ({counts['compatible_pairs']} compatible)" if compatible_pairs else ""
    click.echo(
        f"{out}: {pairs} pairs{kept}, {ndds} non-directed donors, {counts['arcs']} arcs; "
        f"simulated, patients described by study '{study.slug}'"
    )
    mean = "unknown" if counts["mean_cpra"] is None else counts["mean_cpra"]
    click.echo(f"patients     {_groups(counts['patient_blood_groups'])}; mean cPRA {mean}")
    click.echo(f"donors       {_groups(counts['donor_blood_groups'])}")
    click.echo(f"ndds         {_groups(counts['ndd_blood_groups'])}")
    click.echo(pool.note)


def pool_counts(pool: Pool) -> dict[str, Any]:
    """Return how many of each kind a simulated pool has; ``mean_cpra`` is None without pairs."""
    cpra = [pair.cpra for pair in pool.pairs if pair.cpra is not None]
    return {
        "pairs": len(pool.pairs),
        "compatible_pairs": sum(pair.is_compatible for pair in pool.pairs),
        "ndds": len(pool.ndds),
        "arcs": len(pool.arcs),
        "patient_blood_groups": _count(pair.patient_blood_group for pair in pool.pairs),
        "donor_blood_groups": _count(pair.donor_blood_group for pair in pool.pairs),
        "ndd_blood_groups": _count(ndd.blood_group for ndd in pool.ndds),
        "mean_cpra": round(sum(cpra) / len(cpra), 4) if cpra else None,
    }


def _count(groups: Iterable[BloodGroup | None]) -> dict[str, int]:
    found = Counter(groups)
    return {str(group): found[group] for group in BloodGroup}


def _groups(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{group} {count}" for group, count in counts.items())
