"""Long commands at a terminal: one line of progress, and Ctrl-C that ends with the best so far."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import time
from types import FrameType, TracebackType

import click

_LEAST_SECONDS = 0.1


class StopOnInterrupt:
    """While active, the first Ctrl-C only sets :attr:`is_stopped`; the second interrupts as usual.

    Parameters
    ----------
    result
        What the command ends with, for the line shown at the first Ctrl-C.
    """

    def __init__(self, result: str = "the best so far") -> None:
        self._result = result
        self.is_stopped = False
        self._before: object = None

    def __enter__(self) -> StopOnInterrupt:
        # Python hears signals in its main thread only.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]  # What signal itself returned.
            self._before = None

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_stopped:
            raise KeyboardInterrupt
        self.is_stopped = True
        # Not click.echo: a signal may come in the middle of one.
        sys.stderr.write(f"\nstopping with {self._result}; Ctrl-C again to give up\n")
        sys.stderr.flush()


class ProgressLine:
    """Progress on standard error: one line rewritten at a terminal, all lines if asked for, otherwise nothing."""

    def __init__(self, *, all_lines: bool) -> None:
        self._all_lines = all_lines
        self._is_terminal = sys.stderr.isatty()
        self._shown = 0.0
        self._length = 0

    def __call__(self, text: str, *, at_once: bool = False) -> None:
        """Show a line of text; at a terminal not too soon after the last one, unless it is wanted at once."""
        if self._all_lines:
            click.echo(text, err=True)
        elif self._is_terminal and (at_once or time.monotonic() - self._shown >= _LEAST_SECONDS):
            self._shown = time.monotonic()
            text = text[: shutil.get_terminal_size().columns - 1]
            click.echo(f"\r{text.ljust(self._length)}", err=True, nl=False)
            self._length = len(text)

    def close(self) -> None:
        """Leave the line empty for what follows."""
        if self._length:
            click.echo(f"\r{' ' * self._length}\r", err=True, nl=False)
            self._length = 0
