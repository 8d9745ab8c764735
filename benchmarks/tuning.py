"""Measure how fast adapters are trained, beside a plain loop over ``torch`` and ``peft`` in the same run.

    python benchmarks/tuning.py [--steps 60] [--rounds 3]

The base is the tiny one (hidden 48, 2 layers) with random weights; 64 examples of one answer each, batches of 32.
The plain loop fills up its rows the same way, computes the same loss, and does nothing else: no checkpoint, no
manifest, no schedule, no check. They take turns; CPU seconds per step, medians of the rounds. A second row trains
on the shares of twelve people, three answers to each prompt. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import comparisons_to_ask, plan_requests
from llm_compare.prompting.request import Request
from llm_compare.prompting.variant import Variant
from llm_compare.tuning.models.local_model import Loading, LocalModel, load_model
from llm_compare.tuning.models.tiny_model import TinySettings, make_network, make_tokenizer, save_model
from llm_compare.tuning.training.encoded import encode
from llm_compare.tuning.training.settings import TrainSettings
from llm_compare.tuning.training.train import train
from llm_compare.tuning.training_sets.example import Example, Target, said
from llm_compare.tuning.training_sets.labels import LabelKind, Sides
from llm_compare.tuning.training_sets.training_file import TrainingSet
from survey.answers import Choice
from survey.design import design_hash
from survey.design_file import example_design

BATCH = 32
PEOPLE = {Choice.LEFT: 7, Choice.RIGHT: 3, Choice.INDECISION: 2}


def training_set(requests: Sequence[Request], labels: LabelKind) -> TrainingSet:
    """Return the set in which everybody takes the patient on the left, or twelve people are of PEOPLE's minds."""
    counts = PEOPLE if labels is LabelKind.SHARES else {Choice.LEFT: 1}
    examples = []
    for request in requests:
        targets = []
        for _, _, choice in request.labels.offered():
            n = counts.get(choice, 0)
            text = said(request.labels, choice, request.variant.answer_format)
            targets.append(Target(choice=choice, text=text, share=n / sum(counts.values()), n=n))
        examples.append(
            Example(
                messages=request.messages,
                targets=tuple(targets),
                left=request.left,
                right=request.right,
                side_order=request.side_order,
            )
        )
    return TrainingSet(
        name="bench",
        group="",
        personas=False,
        size=len(examples) // 2,
        draw=1,
        labels=labels,
        sides=Sides.BOTH,
        design_hash=requests[0].design_hash,
        arm=requests[0].arm,
        variant=Variant(),
        examples=tuple(examples),
    )


def plain(folder: Path, rows: Sequence[tuple[list[int], list[int], float]], *, steps: int) -> float:
    """Return CPU seconds per step of the loop that anybody would write."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    warnings.filterwarnings(
        "ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning
    )  # peft's own
    network = get_peft_model(
        AutoModelForCausalLM.from_pretrained(folder),
        LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear"),
    )
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=5e-3)
    rng = np.random.default_rng(0)
    n_rows = BATCH * len(rows) // 64
    network.train()
    started = time.process_time()
    for _ in range(steps):
        chosen = [rows[i] for i in rng.permutation(len(rows))[:n_rows]]
        longest = max(len(p) + len(a) for p, a, _ in chosen)
        ids = torch.tensor([[0] * (longest - len(p) - len(a)) + p + a for p, a, _ in chosen])
        mask = torch.tensor(
            [[0] * (longest - len(p) - len(a)) + [1] * (len(p) + len(a)) for p, a, _ in chosen]
        )
        labels = torch.tensor([[-100] * (longest - len(a)) + a for _, a, _ in chosen])
        weights = torch.tensor([w for _, _, w in chosen])
        logits = network(input_ids=ids, attention_mask=mask).logits[:, :-1]
        nats = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="none")
        loss = (nats.sum(dim=1) * weights).sum() / BATCH
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return (time.process_time() - started) / steps


def ours(base: LocalModel, people: TrainingSet, *, steps: int) -> float:
    """Return CPU seconds per step, from the end of the first to the end of the last."""
    ended: list[float] = []
    settings = TrainSettings(steps=steps, batch=BATCH, at_once=3 * BATCH, learning_rate=5e-3)
    with tempfile.TemporaryDirectory() as folder:
        train(
            people,
            base,
            settings,
            Path(folder) / "adapter",
            progress=lambda text: ended.append(time.process_time()),
        )
    return (ended[-1] - ended[0]) / (steps - 1)


def make_base(requests: Sequence[Request], folder: Path) -> None:
    """Write a random tiny model that can read the prompts."""
    lines = {line for r in requests for m in r.messages for line in m.content.split("\n")}
    tokenizer: Any = make_tokenizer([*sorted(lines), "A", "B", "C"])
    save_model(make_network(tokenizer, TinySettings()), tokenizer, folder)


def main(arguments: Sequence[str]) -> None:
    """Print one line for each kind of labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    design = example_design("kidney-numeric")
    requests = plan_requests(
        design,
        comparisons_to_ask(design, count=32, rng=np.random.default_rng(0)),
        arm=design.arms[0],
        model="openai/local",
        settings=Settings(),
    )
    assert requests[0].design_hash == design_hash(design)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "tiny"
        make_base(requests, folder)
        base = load_model(folder, loading=Loading(device="cpu"))
        for labels in (LabelKind.ANSWERS, LabelKind.SHARES):
            people = training_set(requests, labels)
            rows = [
                (list(r.prompt), list(r.answer), r.weight)
                for e in encode(base, people.examples, labels=labels)
                for r in e.rows
            ]
            seconds: dict[str, list[float]] = {"ours": [], "plain": []}
            for _ in range(given.rounds):
                seconds["plain"].append(plain(folder, rows, steps=given.steps))
                seconds["ours"].append(ours(base, people, steps=given.steps))
            own, other = (1000 * statistics.median(seconds[who]) for who in ("ours", "plain"))
            print(
                f"{labels:8} {own:6.1f} CPU ms per step, a plain loop {other:6.1f} ms: {own / other:.2f} times"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
