"""``equipoise compare tune hosted``: have a provider tune its model on a prepared training set."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llm_compare.tuning.hosted.host import Host, HostedTuning
    from llm_compare.tuning.hosted.job import HostedJob
    from llm_compare.tuning.training_sets.formats import ChatFile
    from llm_compare.tuning.training_sets.prepared import Prepared, SetEntry
    from llm_compare.tuning.training_sets.training_file import TrainingSet

_CHARACTERS_PER_TOKEN = 4
_OPTION_OF_FACTOR = {
    "framing": "--framing",
    "persona": "--persona",
    "answer_format": "--answer-format",
    "indecision": "--indecision",
    "language": "--language",
    "marks": "--marks",
    "indecision_place": "--indecision-place",
}
_job_file = click.argument("job_file", metavar="JOB.JSON", type=click.Path(path_type=Path))


@click.group("hosted")
def hosted_command() -> None:
    """Have a provider (openai, azure) tune its own model on a prepared training set.

    What is sent leaves this machine: prompts and answers, never who gave them. Providers charge for it, and decide
    whom they still tune for.
    """


@hosted_command.command(
    "start",
    epilog="Example: equipoise compare tune hosted start prepared --set all-0128-1 "
    "--model openai/gpt-4.1-mini-2025-04-14 --epochs 3 --out job.json",
)
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("--set", "set_name", required=True, help="Training set of PREPARED, e.g. all-0128-1.")
@click.option("--model", required=True, help="openai/MODEL or azure/MODEL: one that the provider tunes.")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Passes over the training set.  [default: the provider's choice]",
)
@click.option("--suffix", help="A word that the provider puts into the tuned model's name.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Sent to the provider, who may heed it.")
@click.option("--api-base", help="Address of a server that takes files and jobs as OpenAI does.")
@click.option("--yes", is_flag=True, help="Do not ask before sending.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Keep what was sent and how far it got here (job.json). With a job that was begun: go on with it.",
)
@click.pass_context
def start_command(
    ctx: click.Context,
    prepared: Path,
    set_name: str,
    model: str,
    epochs: int | None,
    suffix: str | None,
    seed: int | None,
    api_base: str | None,
    yes: bool,
    out: Path,
) -> None:
    """Send one training set of the folder PREPARED to a provider and start tuning its model on it.

    It shows what would be sent where, and asks before. The same command again goes on where it was broken off: a
    file that arrived is not sent again, and no job is started twice.
    """
    from hashlib import sha256

    from estimation.commands.writing import check_outputs
    from llm_compare.asking.protocol import address_complaint
    from llm_compare.tuning.hosted.host import find_host, start_job
    from llm_compare.tuning.hosted.job import HostedJob, read_job
    from llm_compare.tuning.training_sets.formats import FormatKind, as_file, check_openai, lines_of
    from llm_compare.tuning.training_sets.prepared import read_prepared

    if api_base is not None and (wrong := address_complaint(api_base)):
        raise click.UsageError(f"--api-base: {wrong}")
    check_outputs(("--out", out))
    begun = read_job(out) if out.exists() else None
    host = find_host(model, api_base=api_base)
    folder = read_prepared(prepared)
    entry = _entry(folder, set_name)
    training_set = folder.training_set(entry)
    text = as_file(lines_of(training_set, FormatKind.OPENAI))
    chat = check_openai(text, where=f"training set {entry.name}")
    content = text.encode()
    job = HostedJob(
        provider=host.provider,
        model=host.model,
        address=host.address,
        is_own_server=host.is_own_server,
        set_name=entry.name,
        set_sha256=entry.sha256,
        file_sha256=sha256(content).hexdigest(),
        lines=chat.lines,
        epochs=epochs,
        suffix=suffix,
        seed=seed,
        ask=_ask(folder, training_set),
    )
    if begun is not None:
        job = _same(begun, job, out)
    if job.job_id is None:
        _show_what_leaves(host, entry, text, chat, job)
        if not _is_agreed(yes=yes):
            click.echo("Nothing was sent.", err=True)
            ctx.exit(1)
    with _told_of_failures(ctx, job, out):
        job = start_job(job, content, _service(job), _keep(out))
    click.echo(f"Job {job.job_id} of {job.provider}: {job.status}")
    click.echo(f"Follow it: equipoise compare tune hosted status {shlex.quote(str(out))} --wait")


@hosted_command.command("status", epilog="Example: equipoise compare tune hosted status job.json --wait")
@_job_file
@click.option("--wait", is_flag=True, help="Ask again, less and less often, until the job has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@click.pass_context
def status_command(ctx: click.Context, job_file: Path, wait: bool, as_json: bool) -> None:
    """Ask how far a job is; once it has succeeded, show how to ask the tuned model."""
    import time

    from llm_compare.tuning.hosted.host import watch_job
    from llm_compare.tuning.hosted.job import SUCCEEDED

    job, job_id, service = _begun(job_file)
    with _told_of_failures(ctx, job, job_file):
        if wait:
            job = watch_job(job, job_id, service, _keep(job_file), sleep=time.sleep, on_change=_say_status)
        else:
            job = job.seen(service.state(job_id))
            _keep(job_file)(job)
    _show(job, as_json=as_json)
    if job.is_finished and job.status != SUCCEEDED:
        ctx.exit(1)


@hosted_command.command("cancel", epilog="Example: equipoise compare tune hosted cancel job.json")
@_job_file
@click.pass_context
def cancel_command(ctx: click.Context, job_file: Path) -> None:
    """End a job. The provider keeps the file that was sent until you delete it there."""
    job, job_id, service = _begun(job_file)
    with _told_of_failures(ctx, job, job_file):
        job = job.seen(service.cancel(job_id))
        _keep(job_file)(job)
    _show(job, as_json=False)


def _entry(prepared: Prepared, name: str) -> SetEntry:
    for entry in prepared.sets:
        if entry.name == name:
            return entry
    there = ", ".join(e.name for e in prepared.sets)
    raise click.UsageError(f"--set {name}: {prepared.folder} has no such training set; it has {there}")


def _same(begun: HostedJob, job: HostedJob, out: Path) -> HostedJob:
    """Return the job that was begun, if it is the one that is wanted."""
    from llm_compare.errors import BadHostedJob

    if other := begun.differences(job):
        raise BadHostedJob(
            f"{out}: holds a job that differs in {', '.join(other)}; name another --out, or repeat the command "
            "that began it"
        )
    return begun


def _begun(path: Path) -> tuple[HostedJob, str, HostedTuning]:
    """Return a job that was created, its id, and the calls to where it is."""
    from llm_compare.errors import BadHostedJob
    from llm_compare.tuning.hosted.host import find_host
    from llm_compare.tuning.hosted.job import read_job

    job = read_job(path)
    if job.job_id is None:
        raise BadHostedJob(
            f"{path}: no job was created yet ({job.status}); repeat 'compare tune hosted start' with --out {path}"
        )
    # Only for the key: asked without one, the provider's answer would be no help.
    find_host(f"{job.provider}/{job.model}", api_base=job.address if job.is_own_server else None)
    return job, job.job_id, _service(job)


def _service(job: HostedJob) -> HostedTuning:
    from llm_compare.tuning.hosted.host import HostedTuning

    return HostedTuning(job.provider, job.address, is_own_server=job.is_own_server)


def _keep(path: Path) -> Callable[[HostedJob], None]:
    from llm_compare.tuning.hosted.job import write_job

    return lambda job: write_job(path, job)


@contextmanager
def _told_of_failures(ctx: click.Context, job: HostedJob, path: Path) -> Iterator[None]:
    """Say what a provider's failure, or Ctrl-C, leaves behind."""
    from llm_compare.errors import ProviderFailed

    def kept() -> str:
        if path.exists():
            return f"what was done is kept in {path}; the same command again goes on from there"
        return "nothing is known to have arrived; the same command again starts anew"

    try:
        yield
    except ProviderFailed as error:
        click.echo(f"equipoise: {error}", err=True)
        said = kept()
        click.echo(f"{said[0].upper()}{said[1:]}.", err=True)
        ctx.exit(1)
    except KeyboardInterrupt:
        if job.job_id is None:
            raise KeyboardInterrupt(kept()) from None
        raise KeyboardInterrupt(
            f"job {job.job_id} goes on at {job.address}; 'compare tune hosted cancel {path}' ends it"
        ) from None


def _is_agreed(*, yes: bool) -> bool:
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("there is no terminal to ask at whether to send this; add --yes")
    return click.confirm("Send this and start the job?", err=True)


def _show_what_leaves(host: Host, entry: SetEntry, text: str, chat: ChatFile, job: HostedJob) -> None:
    """Show on standard error what would be sent where."""

    def say(line: str) -> None:
        click.echo(line, err=True)

    tokens = chat.characters // _CHARACTERS_PER_TOKEN
    passes = f"{job.epochs} epochs" if job.epochs else "as many epochs as the provider chooses"
    say(f"Model {host.model} of {host.provider}, tuned at {host.address}")
    say(
        f"Training set {entry.name}: {entry.n_answers} answers as {chat.lines} lines, {len(text.encode()):,} bytes"
    )
    say(f"  lines that end in {', '.join(f'{answer!r}: {n}' for answer, n in chat.answers.items())}")
    say("  each line is a prompt of 'compare ask' and one answer; no ids, times or reasons of participants")
    say(f"  about {tokens:,} tokens ({_CHARACTERS_PER_TOKEN} characters each), times {passes}")
    say("  price unknown: see the provider's price list for fine-tuning")
    if job.file_id is not None:
        say(f"  the file was sent before ({job.file_id}) and is not sent again")
    say("--- first line ---")
    for message in json.loads(text.partition("\n")[0])["messages"]:
        say(f"[{message['role']}]\n{message['content']}\n")


def _ask(prepared: Prepared, training_set: TrainingSet) -> tuple[str, ...]:
    """Return the command that asks the held-out comparisons as the model was tuned; empty if none can."""
    from llm_compare.prompting.variant import Variant
    from llm_compare.tuning.training_sets.prepared import DESIGN, HELD_OUT

    usual, factors = Variant().factors(), training_set.variant.factors()
    differs = {name: level for name, level in factors.items() if level != usual[name]}
    if training_set.personas or not differs.keys() <= _OPTION_OF_FACTOR.keys():
        return ()
    command = ["equipoise", "compare", "ask", str(prepared.folder / DESIGN), "--arm", training_set.arm]
    if prepared.tests:
        command += ["--from", str(prepared.folder / HELD_OUT / f"{prepared.tests[0].value}.csv")]
    for name, level in differs.items():
        command += [_OPTION_OF_FACTOR[name], level]
    return tuple(command)


def _say_status(job: HostedJob) -> None:
    click.echo(f"{job.job_id}: {job.status}", err=True)


def _show(job: HostedJob, *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        click.echo(
            json.dumps({**asdict(job), "status": job.status, "named_model": job.named_model}, indent=1)
        )
        return
    click.echo(f"Job {job.job_id} of {job.provider}: {job.status}")
    if job.failure:
        click.echo(f"  {job.failure}")
    if job.trained_tokens is not None:
        click.echo(f"  {job.trained_tokens:,} tokens trained on")
    if job.named_model is None:
        return
    click.echo(f"Tuned model: {job.named_model}")
    if job.provider.value == "azure":
        click.echo("Azure serves deployments: deploy it, and write azure/DEPLOYMENT in place of its name.")
    if not job.ask:
        click.echo("Ask it with the prompts it was tuned on: a protocol file can hold them (docs/asking.md).")
        return
    address = ["--api-base", job.address] if job.is_own_server else []
    click.echo("Ask it the held-out comparisons, and the untuned model, too, for before and after:")
    for model, out in ((job.named_model, "after.jsonl"), (f"{job.provider}/{job.model}", "before.jsonl")):
        click.echo(f"  {shlex.join([*job.ask, '--model', model, *address, '--out', out])}")
