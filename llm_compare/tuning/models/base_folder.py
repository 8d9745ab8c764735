"""The folder of a tiny model: what ``transformers`` loads, and what it was made of (manifest.json)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from llm_compare.errors import CannotTune
from llm_compare.tuning.models.pretrain_settings import PretrainSettings
from llm_compare.tuning.models.pretraining import Pretrained
from llm_compare.tuning.models.tiny_model import TinySettings, save_model
from survey.design import StudyDesign, design_hash

FORMAT = "equipoise base model"


def check_folder(folder: Path) -> None:
    """Return quietly if a base may be written here: nothing is, or an earlier base.

    Raises
    ------
    CannotTune
        Something else lies there.
    """
    if not folder.exists():
        return
    if folder.is_dir() and (not any(folder.iterdir()) or _is_base(folder)):
        return
    raise CannotTune(f"{folder} holds something else than a base made here; name another folder with --out")


def save_pretrained(
    made: Pretrained,
    folder: Path,
    *,
    designs: Sequence[StudyDesign],
    size: TinySettings,
    settings: PretrainSettings,
    threads: int,
) -> dict[str, Any]:
    """Write the model so that ``transformers`` loads it, and beside it what it was made of (manifest.json).

    The folder is written whole or not at all, in place of an earlier base.

    Returns
    -------
    dict
        What manifest.json says.

    Raises
    ------
    CannotTune
        Something else lies there.
    """
    check_folder(folder)
    record = manifest(made, designs, size, settings, threads)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        save_model(made.network, made.tokenizer, partial)
        (partial / "manifest.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return record


def manifest(
    made: Pretrained,
    designs: Sequence[StudyDesign],
    size: TinySettings,
    settings: PretrainSettings,
    threads: int,
) -> dict[str, Any]:
    """Return what a tiny model was made of, as plain values for JSON."""
    return {
        "format": FORMAT,
        "format_version": 1,
        "designs": [{"slug": d.slug, "design_hash": design_hash(d)} for d in designs],
        "size": asdict(replace(size, seed=settings.seed)),
        "settings": asdict(settings),
        "threads": threads,
        "n_parameters": sum(p.numel() for p in made.network.parameters()),
        "n_tokens": len(made.tokenizer),
        "own_agreement": made.own_agreement,
        "own_indecision": made.own_indecision,
        "losses": [round(loss, 6) for loss in made.losses],
    }


def _is_base(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False
