"""Which adapters can be measured against what was held out: those trained on the prepared sets, to the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from llm_compare.errors import BadModel, CannotTune
from llm_compare.tuning.models.adapters import MANIFEST
from llm_compare.tuning.models.local_model import FINGERPRINT_DIGITS, LocalModel, adapted
from llm_compare.tuning.training.adapter_manifest import AdapterManifest, read_adapter_manifest
from llm_compare.tuning.training.train import set_hash
from llm_compare.tuning.training_sets.prepared import Prepared, SetEntry
from llm_compare.tuning.training_sets.training_file import TrainingSet

_NAMED = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapters:
    """Those that can be measured, smallest size first, and what is left out."""

    found: tuple[Adapter, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapter:
    """An adapter with the training set it comes from."""

    entry: SetEntry
    training_set: TrainingSet
    manifest: AdapterManifest
    folder: Path

    @contextmanager
    def over(self, base: LocalModel) -> Iterator[LocalModel]:
        """Give the base under this adapter, which is in memory only meanwhile: there may be hundreds.

        Raises
        ------
        BadModel
            It was trained over another base.
        """
        model = adapted(base, self.folder, label=f"{base.label}+{self.entry.name}")
        try:
            yield model
        finally:
            base.weights.remove(str(model.adapter))

    def as_dict(self, *, fingerprint: str) -> dict[str, object]:
        """Return what is to be known of it."""
        manifest = self.manifest
        return {
            "name": self.entry.name,
            "group": self.entry.group,
            "personas": self.entry.personas,
            "size": self.entry.size,
            "draw": self.entry.draw,
            "n_answers": self.entry.n_answers,
            "fingerprint": fingerprint[:FINGERPRINT_DIGITS],
            "steps": len(manifest.losses),
            "best_step": manifest.best_step,
            "loss_first": manifest.losses[0] if manifest.losses else None,
            "loss_last": manifest.losses[-1] if manifest.losses else None,
            "n_parameters": manifest.n_parameters,
            "settings": manifest.settings.as_dict(),
            "device": manifest.device,
            "dtype": manifest.dtype,
        }


def find_adapters(prepared: Prepared, folder: Path) -> Adapters:
    """Return the finished adapters of the prepared sets.

    Raises
    ------
    CannotTune
        There is none, or one was trained on answers other than the prepared ones: what is held out from these may
        have been trained on there.
    BadModel
        A folder holds a damaged adapter.
    """
    if not folder.is_dir():
        raise CannotTune(f"{folder}: is no folder; train adapters with 'equipoise compare tune train'")
    names = {entry.name for entry in prepared.sets}
    _refuse_strangers(folder, names, prepared)
    found, missing, unfinished = [], [], []
    for entry in prepared.sets:
        place = folder / entry.name
        if not place.is_dir():
            missing.append(entry.name)
            continue
        if not (place / MANIFEST).is_file():
            unfinished.append(entry.name)
            continue
        manifest = read_adapter_manifest(place)
        training_set = prepared.training_set(entry)
        if manifest.set_sha256 != set_hash(training_set):
            raise CannotTune(
                f"{place}: was trained on another set called {entry.name} than the one in {prepared.folder}, so "
                "what is held out here may have been trained on there; name the folder it was trained from, or "
                "train again"
            )
        found.append(Adapter(entry=entry, training_set=training_set, manifest=manifest, folder=place))
    if not found:
        raise CannotTune(
            f"{folder}: holds no finished adapter of {prepared.folder}; run 'equipoise compare tune train' first"
        )
    notes = []
    if unfinished:
        notes.append(f"not trained to the end, and left out: {_listed(unfinished)}")
    if missing:
        notes.append(f"not trained, and left out: {_listed(missing)}")
    ordered = sorted(found, key=lambda a: (a.entry.size, a.entry.name))
    return Adapters(found=tuple(ordered), notes=tuple(notes))


def _refuse_strangers(folder: Path, names: set[str], prepared: Prepared) -> None:
    for path in sorted(folder.glob(f"*/{MANIFEST}")):
        if path.parent.name not in names:
            raise CannotTune(
                f"{path.parent}: is an adapter of no set in {prepared.folder}; name the folder that it was trained "
                "from, or move it elsewhere"
            )


def check_base(adapters: Sequence[Adapter], base: LocalModel) -> None:
    """Check at once, before hours of asking, that all adapters belong to the base.

    Raises
    ------
    BadModel
        Naming the adapter that does not.
    """
    for adapter in adapters:
        manifest = adapter.manifest
        if manifest.base_fingerprint != base.base_fingerprint:
            raise BadModel(
                f"{adapter.folder}: was trained over {manifest.base_label} "
                f"({manifest.base_fingerprint[:FINGERPRINT_DIGITS]}), not over {base.label} "
                f"({base.base_fingerprint[:FINGERPRINT_DIGITS]}); give --model {manifest.base_source}"
            )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
