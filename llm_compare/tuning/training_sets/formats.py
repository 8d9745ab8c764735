"""Training sets as other trainers read them: one conversation per line, each ending in one answer.

These formats hold no shares. A comparison that several people answered is written once per answer, so that the
lines disagree as the people did; only majority labels, if they were asked for, become one line each.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from estimation.commands.writing import write_text
from estimation.manifest import file_hash
from llm_compare.errors import BadTrainingSet
from llm_compare.prompting.messages import VERSION, Speaker
from llm_compare.tuning.training_sets.example import Example, Target
from llm_compare.tuning.training_sets.labels import LabelKind
from llm_compare.tuning.training_sets.prepared import MANIFEST, Prepared, SetEntry, is_set_name
from llm_compare.tuning.training_sets.training_file import TrainingSet
from survey.design import design_hash

LEAST_LINES = 10
"""OpenAI and Azure OpenAI take no fewer."""
MOST_BYTES = 512 * 10**6
"""Likewise no more."""
_ENDINGS = (".jsonl", ".yaml")


class FormatKind(StrEnum):
    """What a training set is written as."""

    OPENAI = "openai"
    """Chat JSONL of OpenAI's supervised fine-tuning: ``messages``, the last one the model's. Azure OpenAI, TRL and
    many hosts read the same."""
    PROMPT_COMPLETION = "prompt-completion"
    """TRL's conversational prompt-completion JSONL: the loss is on ``completion`` alone."""
    AXOLOTL = "axolotl"
    """Chat JSONL, and beside each file the lines of an axolotl configuration that name it."""

    @property
    def documented_at(self) -> str:
        """Where the format is described."""
        return _DOCUMENTED[self]


_DOCUMENTED: Mapping[FormatKind, str] = {
    FormatKind.OPENAI: "https://developers.openai.com/api/docs/guides/supervised-fine-tuning",
    FormatKind.PROMPT_COMPLETION: "https://huggingface.co/docs/trl/dataset_formats#prompt-completion",
    FormatKind.AXOLOTL: "https://docs.axolotl.ai/docs/dataset-formats/conversation.html#chat_template",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFile:
    """What is in a chat JSONL file."""

    lines: int
    characters: int
    """Of all messages."""
    answers: Mapping[str, int]
    """How many lines end in which answer."""


def lines_of(training_set: TrainingSet, kind: FormatKind) -> tuple[str, ...]:
    """Return the lines of a training set, JSON each, without line ends.

    Their order says nothing about who answered: it hangs on the lines themselves and the set's name alone.
    """
    write = _WRITTEN[kind]
    lines = sorted(
        json.dumps(write(example, target.text), ensure_ascii=False)
        for example in training_set.examples
        for target, times in _times(example, training_set.labels)
        for _ in range(times)
    )
    seed = hashlib.sha256(f"{training_set.design_hash} {training_set.name}".encode()).digest()
    order = np.random.default_rng(int.from_bytes(seed[:8])).permutation(len(lines))
    return tuple(lines[i] for i in order)


def as_file(lines: Sequence[str]) -> str:
    """Return the text of a JSONL file."""
    return "".join(f"{line}\n" for line in lines)


def write_formats(prepared: Prepared, kinds: Sequence[FormatKind]) -> tuple[Path, ...]:
    """Write every training set of a prepared folder into a folder per format; return the files.

    Only their owner may read them. ``manifest.json`` in each folder says what they hold and came from. What lies
    there of an earlier preparation is removed, in the formats that are not written as well: it was split otherwise,
    so it may hold what is held out now.
    """
    written: list[Path] = []
    for kind in dict.fromkeys(kinds):
        folder = prepared.folder / kind.value
        folder.mkdir(exist_ok=True)
        records = []
        for entry in prepared.sets:
            training_set = prepared.training_set(entry)
            text = as_file(lines_of(training_set, kind))
            path = folder / f"{entry.name}.jsonl"
            write_text(path, text, owner_only=True)
            written.append(path)
            if kind is FormatKind.AXOLOTL:
                config = path.with_suffix(".yaml")
                write_text(config, axolotl_config(path))
                written.append(config)
            records.append(_record(training_set, entry, text))
        manifest = folder / MANIFEST
        write_text(manifest, json.dumps(_manifest(prepared, kind, records), indent=1) + "\n")
        written.append(manifest)
    for path in (p for kind in FormatKind for p in (prepared.folder / kind.value).glob("*")):
        ours = path.name == MANIFEST or (path.suffix in _ENDINGS and is_set_name(path.stem))
        if ours and path not in written:
            path.unlink()
    return tuple(written)


def axolotl_config(path: Path) -> str:
    """Return the lines of an axolotl configuration for a file of :attr:`FormatKind.AXOLOTL`.

    The tokenizer's own chat template writes the conversation, and only the model's last turn is trained on: nothing
    of the prompt, as in :mod:`llm_compare.tuning.training`.
    """
    return (
        "# Add these lines to your axolotl configuration; the path counts from where axolotl is started.\n"
        "train_on_inputs: false\n"
        "datasets:\n"
        f"  - path: {json.dumps(str(path), ensure_ascii=False)}\n"
        "    ds_type: json\n"
        "    type: chat_template\n"
        "    chat_template: tokenizer_default\n"
        "    field_messages: messages\n"
        '    roles_to_train: ["assistant"]\n'
        "    train_on_eos: turn\n"
    )


def check_openai(text: str, *, where: str) -> ChatFile:
    """Return what is in a chat JSONL file that OpenAI's fine-tuning would take.

    Parameters
    ----------
    where
        The file's name, for messages.

    Raises
    ------
    BadTrainingSet
        It would be refused: too few lines or too large, a line that is no conversation, or one that does not end in
        an answer.
    """
    size = len(text.encode())
    if size > MOST_BYTES:
        raise BadTrainingSet(
            f"{where}: {size:,} bytes, but a training file may have {MOST_BYTES:,}; take a smaller set"
        )
    lines = text.removesuffix("\n").split("\n")  # Other ends of lines may stand in a text.
    if len(lines) < LEAST_LINES:
        raise BadTrainingSet(
            f"{where}: {len(lines)} lines, but hosted fine-tuning takes {LEAST_LINES} or more; take a larger set"
        )
    characters = 0
    answers: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        contents = _contents(line, where=f"{where}, line {number}")
        characters += sum(map(len, contents))
        answers[contents[-1]] += 1
    return ChatFile(lines=len(lines), characters=characters, answers=dict(sorted(answers.items())))


def _contents(line: str, *, where: str) -> list[str]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise BadTrainingSet(f"{where}: no JSON ({error})") from None
    messages = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise BadTrainingSet(f"{where}: no list of messages")
    roles = [m.get("role") for m in messages]
    # An answer in the middle would be trained on, too.
    if roles[-1:] != [Speaker.ASSISTANT.value] or roles.count(Speaker.ASSISTANT.value) > 1:
        raise BadTrainingSet(f"{where}: the last message, and only that, must be the assistant's")
    if Speaker.USER.value not in roles or not set(roles) <= {s.value for s in Speaker}:
        raise BadTrainingSet(f"{where}: messages are of system, user and assistant, a user's among them")
    contents = [m.get("content") for m in messages]
    texts = [c for c in contents if isinstance(c, str)]
    is_said = all(c.strip() for c, role in zip(texts, roles, strict=False) if role != Speaker.SYSTEM.value)
    if len(texts) < len(contents) or not is_said:
        raise BadTrainingSet(f"{where}: a message without text")
    return texts


def _times(example: Example, labels: LabelKind) -> Iterator[tuple[Target, int]]:
    """Yield each answer with the number of lines that end in it."""
    for target in example.targets:
        yield target, int(target.share == 1) if labels is LabelKind.MAJORITY else target.n


def _prompt(example: Example) -> list[dict[str, str]]:
    # An empty system message stays: without one, some chat templates put in words of their own.
    return [{"role": m.role.value, "content": m.content} for m in example.messages]


def _answer(text: str) -> dict[str, str]:
    return {"role": Speaker.ASSISTANT.value, "content": text}


def _chat(example: Example, text: str) -> dict[str, Any]:
    return {"messages": [*_prompt(example), _answer(text)]}


def _prompt_completion(example: Example, text: str) -> dict[str, Any]:
    return {"prompt": _prompt(example), "completion": [_answer(text)]}


_WRITTEN: Mapping[FormatKind, Callable[[Example, str], dict[str, Any]]] = {
    FormatKind.OPENAI: _chat,
    FormatKind.PROMPT_COMPLETION: _prompt_completion,
    FormatKind.AXOLOTL: _chat,
}


def _record(training_set: TrainingSet, entry: SetEntry, text: str) -> dict[str, Any]:
    choices: Counter[str] = Counter()
    for example in training_set.examples:
        for target, times in _times(example, training_set.labels):
            choices[target.choice.value] += times
    return {
        "file": f"{entry.name}.jsonl",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "set_sha256": entry.sha256,
        "group": entry.group,
        "size": entry.size,
        "draw": entry.draw,
        "lines": choices.total(),
        "choices": dict(sorted(choices.items())),
        "answers": entry.n_answers,
        "comparisons": len({e.comparison_id for e in training_set.examples}),
        "side_orders": sorted({e.side_order.value for e in training_set.examples}),
    }


def _manifest(prepared: Prepared, kind: FormatKind, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    variant = prepared.variant
    return {
        "format": kind.value,
        "documented_at": kind.documented_at,
        "study": prepared.design.slug,
        "design_hash": design_hash(prepared.design),
        "arm": prepared.arm.name,
        "template": f"{variant.answer_format}-{VERSION}",
        "variant": {"name": variant.name, **variant.factors()},
        "labels": prepared.labels.value,
        "training": prepared.manifest["training"],
        "held_out": prepared.manifest["held_out"],
        "prepared_sha256": file_hash(prepared.folder / MANIFEST),
        "participants_ids": "none: a line holds a comparison and one answer to it, nothing about who gave it",
        "files": list(records),
    }
