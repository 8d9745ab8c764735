"""``equipoise exchange convert``: a pool of any format into any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from estimation.commands.writing import check_outputs
from exchange.errors import BadRequest

if TYPE_CHECKING:
    from exchange.formats.text_rows import Complaints
    from exchange.pool import Pool

_PATH = click.Path(dir_okay=False, path_type=Path)


@click.command(name="convert")
@click.argument("source", type=_PATH)
@click.option("--out", type=_PATH, required=True, help="Where to write; the end of its name says the format.")
@click.option(
    "--forgiving",
    is_flag=True,
    help="Leave out rows that cannot be read, and say which; without this nothing is written.",
)
@click.option(
    "--design",
    "design_path",
    type=_PATH,
    help="Study that says what the attributes in a table of pairs mean.",
)
@click.option("--json", "as_json", is_flag=True, help="Print counts, complaints and losses as JSON.")
def command(source: Path, out: Path, *, forgiving: bool, design_path: Path | None, as_json: bool) -> None:
    """Turn a pool of one format into another.

    \b
    Reads and writes, by the end of the name:
      .json                  pool.json; loses nothing. Read too: kep_solver's JSON
      .pairs.csv             tables, with NAME.ndds.csv and NAME.arcs.csv beside it
      .wmd                   PrefLib (read: old and new form), with .dat beside it
      .input                 kidney_solver, with .ndds beside it
      .kep.json .kep.json.gz kep_solver's JSON, plain or packed (also .xz)
      .npz                   matrices of numpy
    Reads only:
      .txt .txt.gz           BPMDD
      .xml .yaml .yml        kep_solver; these and .json also packed as .gz or .xz

    What the format of --out cannot hold is said on standard error, as are all complaints.

    \b
    Examples:
      equipoise exchange convert 00036-00000012.wmd --out pool.json
      equipoise exchange convert hospital.pairs.csv --design study.toml --forgiving --out pool.json
      equipoise exchange convert pool.json --out pool.wmd
    """
    from exchange.formats.text_rows import Complaints
    from exchange.pool_file import lost_in_file, read_pool, write_pool
    from survey.design_file import read_design_with_comparisons

    check_outputs(("--out", out), inputs=(source, design_path))
    _check_siblings(source, out)
    complaints = Complaints(is_forgiving=forgiving)
    design = None if design_path is None else read_design_with_comparisons(design_path)
    pool = read_pool(source, complaints, design=design)
    write_pool(pool, out)
    # Read again, so that what is said is true of the very file.
    lost = lost_in_file(pool, out)
    if as_json:
        click.echo(json.dumps(_table(pool, out, complaints, lost), indent=1, ensure_ascii=False))
        return
    for text in complaints.found:
        click.echo(text, err=True)
    if complaints.found:
        click.echo(
            f"{source}: {len(complaints.found)} complaint(s), {complaints.rows_left_out} row(s) left out",
            err=True,
        )
    if pool.note:
        click.echo(f"note: {pool.note}", err=True)
    for text in lost:
        click.echo(f"{out} does not keep {text}", err=True)
    click.echo(f"{out}: {len(pool.pairs)} pairs, {len(pool.ndds)} non-directed donors, {len(pool.arcs)} arcs")


def _check_siblings(source: Path, out: Path) -> None:
    """Refuse to write into files that are read with ``source``, such as the ``.dat`` beside a ``.wmd``."""
    from exchange.pool_file import files_of

    read = {path.resolve() for path in files_of(source)}
    for path in files_of(out):
        if path.resolve() in read:
            raise BadRequest(f"--out {out}: {path} belongs to the pool that is read; choose another name")


def _table(pool: Pool, out: Path, complaints: Complaints, lost: tuple[str, ...]) -> dict[str, object]:
    return {
        "written": str(out),
        "pairs": len(pool.pairs),
        "ndds": len(pool.ndds),
        "arcs": len(pool.arcs),
        "rows_left_out": complaints.rows_left_out,
        "complaints": complaints.found,
        "not_kept": list(lost),
        "note": pool.note,
    }
