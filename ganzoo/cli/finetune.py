"""`ganzoo finetune`."""

import re
from pathlib import Path
from typing import Any

import click

from ganzoo.cli.train import finish, parse_assignments, with_settings

DEFAULT = re.compile(r"\[default: [^]]*\]")
CHOSEN = {
    "augment",
    "batch_size",
    "discriminator_learning_rate",
    "discriminator_steps",
    "ema_half_life_images",
    "evaluate_every_images",
    "learning_rate",
    "optimizer",
}


@click.command(short_help="Go on from a pretrained model with data of your own.")
@click.argument("model")
@click.option("--data", required=True, help="As --data of `ganzoo train` takes it: a folder of pictures, a name, ...")
@click.option("--split", type=click.Choice(["train", "test", "val"]), help="[default: train]")
@click.option("--revision", help="A branch, tag or commit, where MODEL is on the Hub.")
@click.option("--objective", help="[default: what MODEL was trained with]")
@click.option(
    "--conditional/--unconditional", default=None, help="Use the data's labels, or not.  [default: as MODEL does]"
)
@click.option(
    "--freeze-layers",
    "freeze_discriminator_layers",
    type=click.IntRange(0),
    help="Lower layers of the discriminator that stay as they are.  [default: half of them]",
)
@click.option("--discriminator", help="Another architecture's discriminator, untrained, in place of MODEL's.")
@click.option("--dry-run", is_flag=True, help="Print what is chosen and kept, parameters, memory and time, and stop.")
@click.option(
    "--callback",
    "callbacks",
    multiple=True,
    metavar="NAME",
    help="What to call while training.  [default: memorisation]",
)
@with_settings
def finetune(
    model: str,
    data: str,
    split: str | None,
    revision: str | None,
    objective: str | None,
    conditional: bool | None,
    discriminator: str | None,
    run: Path | None,
    assignments: tuple[str, ...],
    arguments: tuple[str, ...],
    discriminator_arguments: tuple[str, ...],
    dry_run: bool,
    callbacks: tuple[str, ...],
    **settings: Any,
) -> None:
    """Fine-tune MODEL on data, and write a run's folder as `ganzoo train` does.

    MODEL is a name that `ganzoo list` shows, hf-hub:ORG/NAME or local-dir:PATH. Settings that are not given are chosen
    from the number of samples. What is chosen, what of the model is kept and what is new, is printed first.

    Example: ganzoo finetune dcgan-fashion --data photos
    """
    from ganzoo.data.loading import check_split
    from ganzoo.training.choices import check_given
    from ganzoo.training.run import next_free
    from ganzoo.training.trainer import Trainer

    given = {key: value for key, value in settings.items() if value is not None}
    chosen = {**parse_assignments(assignments), **given}
    check_given(chosen)  # -s could name another argument
    if split is not None:
        check_split(data, split)
    name = f"{Path(model.rpartition(':')[2].partition('@')[0]).name}-{Path(data.rpartition(':')[2]).name}"
    trainer = Trainer.from_pretrained(
        model,
        data,
        revision=revision,
        split=split or "train",
        objective=objective,
        conditional=conditional,
        discriminator=discriminator,
        discriminator_args=parse_assignments(discriminator_arguments) or None,
        model_args=parse_assignments(arguments) or None,
        run=run or next_free(Path("runs"), name),
        callbacks=callbacks or None,
        **chosen,
    )
    if dry_run:
        click.echo(trainer.plan())
        return
    finish(trainer)


# These are chosen, and what stands as their default is that of training from nothing.
for option in finetune.params:
    if isinstance(option, click.Option) and option.help and option.name in CHOSEN:
        option.help = DEFAULT.sub("[default: chosen]", option.help)
