"""Where a model computes, in which numbers, and what happens when its memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llm_compare.errors import BadModel, OutOfMemory

_SAID = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "Cannot allocate memory",
)


def chosen_device(wanted: str) -> str:
    """Return the device for ``wanted``.

    Raises
    ------
    BadModel
        There is no such device here.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = wanted.partition(":")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (number and not number.isdecimal()) or int(number or 0) >= there.get(kind, 0):
        raise BadModel(f"--device {wanted}: is not on this machine; use cpu, or auto for whatever there is")
    return wanted


def chosen_dtype(wanted: str, device: str) -> Any:
    """Return the torch type of the numbers for ``wanted`` on ``device``.

    Raises
    ------
    BadModel
        There is no such type.
    """
    import torch

    if wanted == "auto":
        has_it = device.startswith("cuda") and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if has_it else torch.float32
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if wanted not in known:
        raise BadModel(f"--dtype {wanted}: is not one of {', '.join(known)}, auto")
    return known[wanted]


@contextmanager
def memory_watched(way_out: str) -> Iterator[None]:
    """Turn a lack of memory, of the machine's or a GPU's, into an error that says what takes less.

    Raises
    ------
    OutOfMemory
        What is done inside does not fit.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not lacks_memory(error):
            raise
        raise OutOfMemory(f"not enough memory ({first_line(error)}); {way_out}") from None


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error of a library means that memory did not suffice."""
    return isinstance(error, MemoryError) or any(said in str(error) for said in _SAID)


def first_line(error: BaseException) -> str:
    """Return what an error of a library says in its first line; its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
