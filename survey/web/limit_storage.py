"""Counts of requests in the memory of this process.

The library's own storage starts a thread for nearly every request it counts, which then looks through all keys:
measured, a quarter of the time of an answer, and more with every participant. This one forgets what is over once a
minute, in the request that happens to come then.
"""

from __future__ import annotations

import threading
import time

from limits.storage import Storage

SCHEME = "equipoise-memory"
_SWEEP_SECONDS = 60.0


class MemoryCounts(Storage):
    """How often each key was counted in its present window."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - the library reads this class attribute

    def __init__(
        self, uri: str | None = None, wrap_exceptions: bool = False, **options: float | str | bool
    ) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        self._counts: dict[str, tuple[int, float]] = {}
        """Key -> count, and when its window ends."""
        self._lock = threading.Lock()
        self._sweep_at = 0.0

    @property
    def base_exceptions(self) -> type[Exception]:
        """What this storage raises when it is down: nothing of its own."""
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count ``amount`` more for a key, in a window of ``expiry`` seconds; return the count."""
        now = time.time()
        with self._lock:
            count, ends = self._counts.get(key, (0, 0.0))
            if ends <= now:
                count, ends = 0, now + expiry
            self._counts[key] = (count + amount, ends)
            if now >= self._sweep_at:
                self._sweep_at = now + _SWEEP_SECONDS
                self._counts = {k: kept for k, kept in self._counts.items() if kept[1] > now}
        return count + amount

    def get(self, key: str) -> int:
        """Return the count of a key."""
        count, ends = self._counts.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Return when the key's window ends, in seconds since 1970."""
        return self._counts.get(key, (0, time.time()))[1]

    def check(self) -> bool:
        """Tell that the storage works."""
        return True

    def reset(self) -> int:
        """Forget everything; return how many keys there were."""
        with self._lock:
            forgotten, self._counts = len(self._counts), {}
        return forgotten

    def clear(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._counts.pop(key, None)
