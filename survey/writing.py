"""Files that commands write: whole or not at all, and refused before the work rather than after."""

from __future__ import annotations

import glob
import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click


def check_outputs(*outputs: tuple[str, Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Return quietly if files can be written; said before minutes of computing, not after.

    Parameters
    ----------
    *outputs
        Option and the path given with it; None if it was not given.
    inputs
        Files that are read, and so must not be written.

    Raises
    ------
    click.UsageError
        A folder is missing or cannot be written to, a path is a folder, the same as another's, or an input's.
    """
    taken = {_place(path): "the file that is read" for path in inputs if path}
    for option, path in outputs:
        if path is None:
            continue
        if path.is_dir():
            raise click.UsageError(f"{option}: {path} is a folder; name a file")
        if not path.parent.is_dir():
            raise click.UsageError(
                f"{option}: {path}: there is no folder {path.parent}; make it, or name another"
            )
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise click.UsageError(f"{option}: {path} may not be written; name another file or folder")
        if (other := taken.setdefault(_place(path), option)) != option:
            raise click.UsageError(f"{option}: {path} is {other}, too; name another file")


def write_text(path: Path, text: str, *, owner_only: bool = False) -> None:
    """Write a text file (UTF-8); see :func:`write_chunks`."""
    write_bytes(path, text.encode("utf-8"), owner_only=owner_only)


def write_bytes(path: Path, content: bytes, *, owner_only: bool = False) -> None:
    """Write a file; see :func:`write_chunks`."""
    write_chunks(path, (content,), owner_only=owner_only)


def write_chunks(path: Path, chunks: Iterable[bytes], *, owner_only: bool = False) -> None:
    """Write a file so that an interrupted write leaves the old file, or none, but never half of one.

    Parameters
    ----------
    owner_only
        Nobody but the file's owner may ever read it, whatever the file was before. A device or a pipe stays what
        it is.

    Raises
    ------
    OSError
        Carrying ``path`` as its file name.
    """
    # A device or a pipe, such as /dev/stdout, takes what it is given; replaced, it would be one no longer.
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            file.writelines(chunks)
        return
    place = _place(path)
    # Several processes may write one file, on several machines.
    partial = place.with_name(f".{place.name}.{platform.node()}.{os.getpid()}.part")
    _remove_leftovers(place)
    try:
        partial.unlink(missing_ok=True)  # One that a killed process left behind keeps its own permissions.
        # Opened for its owner alone, not narrowed afterwards: others would have had a moment to read it.
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if owner_only else 0o666)
        with os.fdopen(handle, "wb") as file:
            file.writelines(chunks)
        if place.exists() and not owner_only:
            partial.chmod(place.stat().st_mode)
        partial.replace(place)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        partial.unlink(missing_ok=True)


def _remove_leftovers(place: Path) -> None:
    """Remove what processes of this machine left of the file when they were killed, as far as that may be done."""
    prefix = f".{place.name}.{platform.node()}."
    for left in place.parent.glob(f"{glob.escape(prefix)}*.part"):
        number = left.name.removeprefix(prefix).removesuffix(".part")
        if number.isdecimal() and left.is_file() and not _may_be_running(int(number)):
            # Somebody else's, in a folder of several: not what was asked for, and no reason not to do that.
            with suppress(PermissionError):
                left.unlink(missing_ok=True)


def _may_be_running(process: int) -> bool:
    if os.name != "posix":
        return True  # Elsewhere a signal cannot be asked about: it would be sent.
    try:
        os.kill(process, 0)  # Nothing is sent: only whether it could be is seen.
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # Somebody else's.
    return True


def _place(path: Path) -> Path:
    """Return where a path leads, through symbolic links."""
    return Path(os.path.realpath(path))
