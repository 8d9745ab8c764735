"""``equipoise compare tune base``: a small model made on the spot, to try tuning without any download."""

from __future__ import annotations

from pathlib import Path

import click

# Of the closed set in llm_compare.tuning.models.tiny_model, which is not imported to show the help.
SIZES = ("auto", "tiny", "small", "large")


@click.command(
    "base", epilog="Example: equipoise compare tune base examples/kidney-numeric.toml --out models/tiny"
)
@click.argument("designs", metavar="[DESIGN]...", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder to write, new or made before."
)
@click.option(
    "--size",
    type=click.Choice(SIZES),
    default="auto",
    show_default=True,
    help="tiny: 60 thousand parameters; small: 3 million; large: 47 million. auto: tiny, small with a GPU.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=700, show_default=True, help="Updates of the weights."
)
@click.option(
    "--batch", type=click.IntRange(min=1), default=96, show_default=True, help="Prompts per update."
)
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), help="[default: by size]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything drawn.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Of the CPU. Another number changes the order of sums, and so the last digits.",
)
def base_command(
    *,
    designs: tuple[Path, ...],
    out: Path,
    size: str,
    steps: int,
    batch: int,
    learning_rate: float | None,
    seed: int,
    device: str,
    threads: int,
) -> None:
    """Make a small causal model that reads the prompts of each DESIGN, and no other text.

    It answers by a rule of its own, or as one of many made-up persons where the prompt names one. It stands in
    for a large model where none can be downloaded: it shows what tuning does, not what large models hold right.
    Without a DESIGN it reads the two studies of McElfresh et al. (2021) in examples/.
    """
    from exchange.commands.stopping import ProgressLine, StopOnInterrupt
    from llm_compare.tuning.models.base_folder import check_folder, save_pretrained
    from llm_compare.tuning.models.libraries import require_libraries
    from llm_compare.tuning.models.pretrain_settings import PretrainSettings
    from llm_compare.tuning.models.pretraining import pretrain
    from llm_compare.tuning.models.tiny_model import LEARNING_RATES, SIZES, Size, chosen_size
    from survey.design_file import EXAMPLES, read_design_with_comparisons

    require_libraries()
    check_folder(out)
    paths = designs or tuple(EXAMPLES / f"{name}.toml" for name in ("kidney-numeric", "kidney-study1"))
    studies = [read_design_with_comparisons(path) for path in paths]
    chosen = chosen_size(Size(size), device)
    settings = PretrainSettings(
        steps=steps,
        batch=batch,
        learning_rate=LEARNING_RATES[chosen] if learning_rate is None else learning_rate,
        seed=seed,
    )
    line = ProgressLine(all_lines=False)
    with StopOnInterrupt("what it has learned so far") as interrupt:
        made = pretrain(
            studies,
            size=SIZES[chosen],
            settings=settings,
            device=device,
            threads=threads,
            progress=line,
            stop=lambda: interrupt.is_stopped,
        )
    line.close()
    record = save_pretrained(
        made, out, designs=studies, size=SIZES[chosen], settings=settings, threads=threads
    )
    if len(made.losses) < settings.steps:
        click.echo(f"Stopped after {len(made.losses)} of {settings.steps} steps.")
    click.echo(
        f"A {chosen} model of {record['n_parameters']:,} parameters that reads "
        f"{', '.join(d.slug for d in studies)}, written to {out}"
    )
    click.echo(
        f"It answers {made.own_agreement:.1%} of fresh comparisons by its own rule; where indecision is on offer, "
        f"it is undecided with probability {made.own_indecision:.3f}. Loss {made.losses[0]:.2f} at first, "
        f"{made.losses[-1]:.2f} at last."
    )
