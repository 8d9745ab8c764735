"""A loopback server that plays a provider of models: it answers after a while, counts, and fails on demand.

    python benchmarks/peers/model_server.py --delay 0.2 [--faulty 0.05] [--seed 1]

It prints its port and serves ``POST /v1/chat/completions`` until its input ends. ``GET /counts`` tells for every
different body how often it was asked, and what was injected. It runs in a process of its own, so that it takes
nothing from whom it is asked by.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import sys
from collections import Counter

FAULTS = ("429", "500", "timeout", "html", "no choices", "broken JSON", "cut")
_REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-2026-11",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "A"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 200, "completion_tokens": 1, "total_tokens": 201},
    }
).encode()


class Server:
    """Answers, and remembers."""

    def __init__(self, delay: float, faulty: float, seed: int, timeout: float) -> None:
        self._delay = delay
        self._faulty = faulty
        self._timeout = timeout
        self._random = random.Random(seed)  # noqa: S311 - which calls fail is no secret
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self.under_way = self.most_under_way = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests in turn."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                if head.startswith("GET"):
                    counts = {name: dict(getattr(self, name)) for name in ("asked", "answered", "injected")}
                    body = json.dumps(counts | {"most_under_way": self.most_under_way}).encode()
                    writer.write(_response(200, body))
                    continue
                length = next(
                    int(line.split(":")[1])
                    for line in head.split("\r\n")
                    if line.lower().startswith("content-length")
                )
                await self._complete(await reader.readexactly(length), writer)
                if writer.is_closing():
                    break
        writer.close()

    async def _complete(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        key = hashlib.sha256(body).hexdigest()
        self.asked[key] += 1
        fault = self._random.choice(FAULTS) if self._random.random() < self._faulty else None
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(self._timeout if fault == "timeout" else self._delay)
        self.under_way -= 1
        if fault is None:
            writer.write(_response(200, _REPLY))
            await writer.drain()
            self.answered[key] += 1
            return
        self.injected[fault] += 1
        if fault == "cut":
            writer.write(_response(200, _REPLY)[:-40])
            writer.close()
            return
        error = b'{"error": {"message": "injected", "type": "test", "code": null}}'
        writer.write(
            {
                "429": _response(429, error, "retry-after: 0.2\r\n"),
                "500": _response(500, error),
                "timeout": _response(200, _REPLY),
                "html": _response(200, b"<html>Please log in</html>"),
                "no choices": _response(200, b'{"choices": []}'),
                "broken JSON": _response(200, _REPLY[:60]),
            }[fault]
        )


def _response(status: int, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _main(given: argparse.Namespace) -> None:
    server = Server(given.delay, given.faulty, given.seed, given.timeout)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=512)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Play a provider of models on the loopback address.")
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--faulty", type=float, default=0.0)
    parser.add_argument("--timeout", type=float, default=8.0, help="seconds that a timed-out call takes")
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(_main(parser.parse_args()))
