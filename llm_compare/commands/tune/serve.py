"""``equipoise compare tune serve``: a local model where ``compare ask`` can ask it."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llm_compare.commands.tune.local_options import local_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llm_compare.tuning.models.local_model import Loading, LocalModel
    from llm_compare.tuning.serving.served_models import ServedModels
    from llm_compare.tuning.serving.server import Server

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@click.command(
    "serve",
    epilog="Example: equipoise compare tune serve models/tiny --adapter adapters/all-0064-1",
)
@click.argument("base")
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="[NAME=]FOLDER",
    help="Also serve BASE with this adapter; may be given several times.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="127.0.0.1, ::1 or localhost: it asks for no key, so other machines cannot reach it.",
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8100, show_default=True, help="0 takes any free one."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Of all draws. A fresh server with the same seed draws the same again.  [default: another at each start]",
)
@local_options
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    help="Write address and names of the models here (JSON) once they can be asked.",
)
def serve_command(
    *,
    base: str,
    adapters: tuple[str, ...],
    host: str,
    port: int,
    seed: int | None,
    device: str,
    dtype: str,
    threads: int,
    chat_template: str | None,
    ready_file: Path | None,
) -> None:
    """Serve BASE, a folder or a name on the model hub, with or without adapters, until Ctrl-C.

    It answers as OpenAI's chat interface does, with probabilities of tokens. What it is asked
    never leaves this machine.
    """
    from estimation.commands.writing import check_outputs
    from llm_compare.tuning.models.local_model import Loading
    from llm_compare.tuning.serving.served_models import ServedModels
    from llm_compare.tuning.serving.server import Server

    check_outputs(("--ready-file", ready_file))
    named = [_adapter(given) for given in adapters]
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)  # An old one would say that it is ready before it is.
    loading = Loading(device=device, dtype=dtype, threads=threads, template=chat_template)
    # The address first: loading may take minutes.
    with Server(host=host, port=port, log=lambda said: click.echo(said, err=True)) as server:
        # Not one seed for all: repeats asked after a restart would be those from before it once more.
        drawn = secrets.randbits(32) if seed is None else seed
        models = ServedModels(_load(base, named, loading), seed=drawn)
        try:
            _serve(server, models, ready_file)
        finally:
            if ready_file is not None:
                ready_file.unlink(missing_ok=True)
    click.echo(f"Stopped; {models.n_answered} calls were answered.")


def _adapter(given: str) -> tuple[str | None, Path]:
    """Return name and folder of ``NAME=FOLDER`` or ``FOLDER``."""
    label, equals, folder = given.partition("=")
    if not equals or Path(given).is_dir():
        return None, Path(given)
    if not _LABEL.fullmatch(label):
        raise click.BadParameter(
            f"{given!r}: a name has letters, digits, '.', '_', '+' and '-' only", param_hint="--adapter"
        )
    return label, Path(folder)


def _load(base: str, adapters: Sequence[tuple[str | None, Path]], loading: Loading) -> list[LocalModel]:
    from llm_compare.tuning.models.local_model import adapted, load_model

    model = load_model(base, loading=loading)
    return [model, *(adapted(model, folder, label) for label, folder in adapters)]


def _serve(server: Server, models: ServedModels, ready_file: Path | None) -> None:
    """Answer until Ctrl-C or SIGTERM; a second one ends it at once."""
    import json
    import signal
    import threading

    from estimation.commands.writing import write_text

    stopped = threading.Event()

    def hear(_number: int, _frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {s: signal.signal(s, hear) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.start(models)
        _show(server, models)
        if ready_file is not None:
            record = {"address": server.address, "models": list(models.names)}
            write_text(ready_file, json.dumps(record, indent=1) + "\n")
        stopped.wait()
        click.echo("\nFinishing the calls that are under way; Ctrl-C again to give them up.", err=True)
        server.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(server: Server, models: ServedModels) -> None:
    import shlex

    click.echo(
        f"Local models at {server.address} (reached from this machine alone, and nothing asked leaves it):"
    )
    for name in models.names:
        click.echo(f"  {name}")
    click.echo("Ask them from another terminal:")
    for name in models.names:
        asked = ["--model", f"openai/{name}", "--api-base", server.address, "--out", "replies.jsonl"]
        click.echo(f"  {shlex.join(['equipoise', 'compare', 'ask', 'design.toml', *asked])}")
    click.echo(
        f"With --answer-format json add --no-schema. Stop with Ctrl-C. Draws have the seed {models.seed}: a server "
        f"started with --seed {models.seed} gives the same replies again, one with another seed further ones."
    )
