"""``equipoise compare tune train``: low-rank adapters over an open model, one for each training set."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.commands.tune.local_options import local_options
from llm_compare.tuning.training.settings import TrainSettings

if TYPE_CHECKING:
    from llm_compare.tuning.models.local_model import LocalModel
    from llm_compare.tuning.training.adapter_manifest import AdapterManifest
    from llm_compare.tuning.training.devices import Devices
    from llm_compare.tuning.training_sets.prepared import Prepared, SetEntry

_DEFAULT = TrainSettings()
_MINUTE = 60


@click.command(
    "train",
    epilog="Example: equipoise compare tune train prepared --model models/tiny --out adapters",
)
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="A folder, or a name on the model hub.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the adapters. What is finished there is not trained again; what is begun goes on.",
)
@click.option("--set", "names", multiple=True, metavar="NAME", help="Only this set. Repeatable.")
@click.option("--size", "sizes", type=int, multiple=True, help="Only sets of this size. Repeatable.")
@click.option("--draw", "draws", type=int, multiple=True, help="Only sets of this draw. Repeatable.")
@click.option(
    "--group", "groups", multiple=True, help="Only this group's sets; 'all' for everybody's. Repeatable."
)
@click.option("--rank", type=int, default=_DEFAULT.rank, show_default=True, help="Of the low-rank update.")
@click.option(
    "--alpha",
    type=float,
    default=_DEFAULT.alpha,
    show_default=True,
    help="The update counts alpha/rank times.",
)
@click.option(
    "--dropout",
    type=float,
    default=_DEFAULT.dropout,
    show_default=True,
    help="Chance that an input of the update is left out in a step.",
)
@click.option(
    "--target-modules",
    default=",".join(_DEFAULT.target_modules),
    show_default=True,
    help="Names of layers, with commas.",
)
@click.option("--learning-rate", type=float, default=_DEFAULT.learning_rate, show_default=True)
@click.option("--weight-decay", type=float, default=_DEFAULT.weight_decay, show_default=True)
@click.option(
    "--warmup",
    type=float,
    default=_DEFAULT.warmup,
    show_default=True,
    help="Share of the steps in which the learning rate rises.",
)
@click.option(
    "--steps", type=int, default=_DEFAULT.steps, show_default=True, help="Updates, the same for every set."
)
@click.option(
    "--batch",
    type=int,
    default=_DEFAULT.batch,
    show_default=True,
    help="Examples per update, on all devices.",
)
@click.option(
    "--at-once",
    type=int,
    default=_DEFAULT.at_once,
    show_default=True,
    help="Prompts that a device holds at once. Changes memory, not the batch.",
)
@click.option(
    "--gradient-checkpointing", is_flag=True, help="Compute some of it twice to hold less in memory."
)
@click.option(
    "--max-gradient-norm",
    type=float,
    default=_DEFAULT.max_gradient_norm,
    show_default=True,
    help="A longer step is shortened to this.",
)
@click.option(
    "--validation",
    type=float,
    default=_DEFAULT.validation,
    show_default=True,
    help="Share of a set's comparisons that tell when to stop; 0 takes all steps.",
)
@click.option(
    "--seed",
    type=int,
    default=_DEFAULT.seed,
    show_default=True,
    help="Each draw has a seed of its own, made of this and the draw's number.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Steps after which it is kept how far the training has come.",
)
@local_options
@click.option("--dry-run", is_flag=True, help="Show what would be trained.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan, or what was trained, as JSON.")
def train_command(
    *,
    prepared: Path,
    model: str,
    out: Path,
    names: tuple[str, ...],
    sizes: tuple[int, ...],
    draws: tuple[int, ...],
    groups: tuple[str, ...],
    target_modules: str,
    checkpoint_every: int,
    device: str,
    dtype: str,
    threads: int,
    chat_template: str | None,
    dry_run: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train an adapter over a model for each set that 'compare tune prepare' put into PREPARED.

    The model's own weights never change. Ctrl-C keeps how far it came, and the same command goes on from there; on
    a CPU it ends with the same bytes. On several GPUs, start it with 'accelerate launch --no_python' or
    'torchrun --no-python --nproc-per-node 2'.
    """
    from llm_compare.tuning.models.local_model import Loading, load_model
    from llm_compare.tuning.training.adapter import n_trained
    from llm_compare.tuning.training.devices import Devices
    from llm_compare.tuning.training_sets.prepared import read_prepared

    how = TrainSettings(target_modules=tuple(n.strip() for n in target_modules.split(",")), **settings)
    found = read_prepared(prepared)
    entries = _chosen(found, names=names, sizes=sizes, draws=draws, groups=groups)
    loading = Loading(device=device, dtype=dtype, threads=threads, template=chat_template)
    devices = Devices.here(device)
    try:
        base = load_model(model, loading=devices.placed(loading))
        planned = _planned(found, entries, base, how, out, devices)
        # Nobody begins to write before everybody has looked at what is there.
        devices.wait()
        n_parameters = n_trained(base.network, how)
        if devices.is_main and not as_json:
            _show_plan(planned, base, how, out, n_parameters)
        if dry_run:
            if as_json and devices.is_main:
                _echo_json(_plan_record(planned, base, how, n_parameters))
            return
        manifests = _trained(
            found, planned, base, how, out, devices=devices, checkpoint_every=checkpoint_every
        )
    finally:
        devices.close()
    if not devices.is_main:
        return
    if as_json:
        _echo_json({"adapters": [m.as_dict() for m in manifests]})
        return
    for manifest in manifests:
        click.echo(_result(manifest))
    click.echo(f"Written to {out}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """A set, and how far its training has come."""

    entry: SetEntry
    finished: AdapterManifest | None
    begun: int
    """Steps that a checkpoint holds."""

    def steps_left(self, settings: TrainSettings) -> int:
        return 0 if self.finished else settings.steps - self.begun

    @property
    def state(self) -> str:
        if self.finished:
            return "finished"
        return f"goes on after step {self.begun}" if self.begun else "new"


def _chosen(
    prepared: Prepared,
    *,
    names: Sequence[str],
    sizes: Sequence[int],
    draws: Sequence[int],
    groups: Sequence[str],
) -> list[SetEntry]:
    from llm_compare.errors import CannotTune

    wanted: tuple[tuple[str, Sequence[object], Callable[[SetEntry], object]], ...] = (
        ("--set", names, lambda e: e.name),
        ("--size", sizes, lambda e: e.size),
        ("--draw", draws, lambda e: e.draw),
        # Sets whose prompts name a group are everybody's, too, and are called otherwise.
        ("--group", groups, lambda e: e.group or e.name.rsplit("-", 2)[0]),
    )
    entries = list(prepared.sets)
    for option, values, of in wanted:
        known = dict.fromkeys(of(e) for e in prepared.sets)
        if unknown := [v for v in values if v not in known]:
            raise CannotTune(
                f"{option} {unknown[0]}: {prepared.folder} has no such training set; it has "
                f"{', '.join(map(str, known)) or 'none'}"
            )
        entries = [e for e in entries if not values or of(e) in values]
    if not entries:
        raise CannotTune(
            f"{prepared.folder}: no training set is all that was asked for; ask for less at once"
        )
    return entries


def _planned(
    prepared: Prepared,
    entries: Sequence[SetEntry],
    base: LocalModel,
    settings: TrainSettings,
    out: Path,
    devices: Devices,
) -> list[_Planned]:
    """Look at what is there; whatever belongs to another training is refused before anything is trained."""
    from llm_compare.tuning.training.checkpoint import checkpoint_path, read_checkpoint
    from llm_compare.tuning.training.train import finished, origin_of

    planned = []
    for entry in entries:
        origin = origin_of(prepared.training_set(entry), base, settings, devices)
        done = finished(out / entry.name, origin)
        kept = None if done else read_checkpoint(checkpoint_path(out / entry.name), origin)
        planned.append(_Planned(entry=entry, finished=done, begun=kept.step if kept else 0))
    return planned


def _trained(
    prepared: Prepared,
    planned: Sequence[_Planned],
    base: LocalModel,
    settings: TrainSettings,
    out: Path,
    *,
    devices: Devices,
    checkpoint_every: int,
) -> list[AdapterManifest]:
    """Train what is left, one set after the other over the one base in memory."""
    from exchange.commands.stopping import ProgressLine, StopOnInterrupt
    from llm_compare.errors import TrainingStopped
    from llm_compare.tuning.training.train import train

    line = ProgressLine(all_lines=False)
    to_go = _TimeLeft(steps=sum(p.steps_left(settings) for p in planned))
    if any(p.steps_left(settings) for p in planned) and devices.is_main:
        out.mkdir(parents=True, exist_ok=True)
    manifests = []
    with StopOnInterrupt("the step that is under way") as stop:
        try:
            for number, one in enumerate(planned, start=1):
                if one.finished is not None:
                    manifests.append(one.finished)
                    continue
                where = f"{one.entry.name} ({number} of {len(planned)})"
                manifests.append(
                    train(
                        prepared.training_set(one.entry),
                        base,
                        settings,
                        out / one.entry.name,
                        devices=devices,
                        checkpoint_every=checkpoint_every,
                        progress=_progress(line, where, to_go) if devices.is_main else lambda text: None,
                        stop=lambda: stop.is_stopped,
                    )
                )
        except TrainingStopped as stopped:
            raise KeyboardInterrupt(
                f"{len(manifests)} of {len(planned)} adapters are finished; of {one.entry.name}, {stopped}"
            ) from None
        finally:
            line.close()
    return manifests


class _TimeLeft:
    """Tells how long the steps that are left will take, at the pace so far."""

    def __init__(self, *, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._since = time.monotonic()

    def after_step(self) -> str:
        self._done += 1
        seconds = (time.monotonic() - self._since) / self._done * (self._steps - self._done)
        return f"{seconds:.0f} s left" if seconds < 2 * _MINUTE else f"{seconds / _MINUTE:.0f} min left"


def _progress(line: Callable[[str], None], where: str, to_go: _TimeLeft) -> Callable[[str], None]:
    return lambda text: line(f"{where}: {text}; {to_go.after_step()}")


def _show_plan(
    planned: Sequence[_Planned], base: LocalModel, settings: TrainSettings, out: Path, n_parameters: int
) -> None:
    left = sum(p.steps_left(settings) for p in planned)
    sets = "set" if len(planned) == 1 else "sets"
    click.echo(
        f"{len(planned)} training {sets} into {out}, {left} steps of {settings.batch} examples to go; "
        f"{n_parameters:,} trained parameters beside {base.n_parameters:,} of {base.name} "
        f"({base.dtype} on {base.device})"
    )
    width = max(len(p.entry.name) for p in planned)
    for one in planned:
        click.echo(
            f"  {one.entry.name:{width}}  {one.entry.n_answers:6} answers  {one.entry.n_examples:6} examples  "
            f"{one.state}"
        )


def _plan_record(
    planned: Sequence[_Planned], base: LocalModel, settings: TrainSettings, n_parameters: int
) -> dict[str, Any]:
    return {
        "base": base.name,
        "settings": settings.as_dict(),
        "n_parameters": n_parameters,
        "sets": [
            {
                "name": p.entry.name,
                "n_answers": p.entry.n_answers,
                "n_examples": p.entry.n_examples,
                "steps_left": p.steps_left(settings),
                "is_finished": p.finished is not None,
            }
            for p in planned
        ],
    }


def _result(manifest: AdapterManifest) -> str:
    ended = (
        f"kept after step {manifest.best_step}"
        if manifest.validation_losses
        else f"{manifest.best_step} steps"
    )
    return (
        f"{manifest.set_name}: {ended}, loss of the first batch {manifest.losses[0]:.3f}, of the last "
        f"{manifest.losses[-1]:.3f} nats per answer"
    )


def _echo_json(record: dict[str, Any]) -> None:
    click.echo(json.dumps(record, indent=1, ensure_ascii=False))
