"""`ganzoo train` and `ganzoo resume`."""

from pathlib import Path
from typing import Any

import click

from ganzoo.cli.refusals import TRAINING
from ganzoo.errors import ConfigError, InputError

# Options of a run; those without a letter are settings, by the name the settings have.
SETTINGS = [
    click.option(
        "--run", type=click.Path(file_okay=False, path_type=Path), help="The run's folder.  [default: runs/NAME-N]"
    ),
    click.option("-s", "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any other setting."),
    click.option("-a", "--arg", "arguments", multiple=True, metavar="KEY=VALUE", help="A setting of the architecture."),
    click.option(
        "-d",
        "--discriminator-arg",
        "discriminator_arguments",
        multiple=True,
        metavar="KEY=VALUE",
        help="A setting of the discriminator alone.",
    ),
    click.option("--images", type=int, help="The budget: how many images the discriminator is shown as real."),
    click.option("--batch-size", type=int, help="Images a step.  [default: 64]"),
    click.option("--learning-rate", type=float, help="Learning rate.  [default: 0.0002]"),
    click.option("--discriminator-learning-rate", type=float, help="The discriminator's own.  [default: the same]"),
    click.option("--discriminator-steps", type=int, help="Discriminator steps a generator step.  [default: 1]"),
    click.option("--optimizer", help="adam, adamw, sgd, rmsprop, or one of timm's.  [default: adam]"),
    click.option(
        "--learning-rate-decay",
        type=click.Choice(["none", "linear", "cosine", "step", "multistep", "poly", "tanh", "wsd"]),
        help="How the learning rate falls, from step on as in timm.  [default: none]",
    ),
    click.option("--learning-rate-warmup-images", type=int, help="Images over which it rises from 0.  [default: 0]"),
    click.option("--ema-half-life-images", type=int, help="Half-life of the weights' average.  [default: 10000]"),
    click.option("--evaluate-every-images", type=int, help="Measure the model so often.  [default: never]"),
    click.option("--best-by", metavar="NUMBER", help="Keep the best model by a number, such as FCD[judge-mnist]."),
    click.option("--augment", metavar="TEXT", help="diffaugment, ada, instance_noise(0.1), ...  [default: none]"),
    click.option("--precision", type=click.Choice(["auto", "fp64", "fp32", "bf16", "fp16"]), help="[default: auto]"),
    click.option("--device", help="auto, cpu, cuda or mps.  [default: auto]"),
    click.option("--seed", type=int, help="[default: 0]"),
]


def with_settings(command: Any) -> Any:
    """Add the options of `SETTINGS` to a command."""
    for option in reversed(SETTINGS):
        command = option(command)
    return command


@click.command(short_help="Train an architecture with an objective on data.")
@click.argument("architecture", required=False)
@click.option("--objective", help="Such as 'non_saturating + label_smoothing(0.9)'.  [default: non_saturating]")
@click.option("--discriminator", help="Another architecture's discriminator, such as pix2pix or timm.")
@click.option("--data", help="A name that `ganzoo list` shows, a folder, an archive, a .npz file, or pairs:DIR.")
@click.option(
    "--split", type=click.Choice(["train", "test", "val"]), help="Part of a folder of data.  [default: train]"
)
@click.option(
    "--conditional", is_flag=True, default=None, help="Condition the networks on the data's labels, vectors or pairs."
)
@click.option("--recipe", help="A bundled recipe's name, or a TOML file; further options replace what it says.")
@click.option("--dry-run", is_flag=True, help="Print the plan, parameters, memory and time, and stop.")
@click.option(
    "--callback",
    "callbacks",
    multiple=True,
    metavar="NAME",
    help="What to call while training, such as tensorboard or \"tensorboard(directory='logs')\"; may be repeated.",
)
@with_settings
def train(
    architecture: str | None,
    objective: str | None,
    discriminator: str | None,
    data: str | None,
    split: str | None,
    conditional: bool | None,
    recipe: str | None,
    run: Path | None,
    assignments: tuple[str, ...],
    arguments: tuple[str, ...],
    discriminator_arguments: tuple[str, ...],
    dry_run: bool,
    callbacks: tuple[str, ...],
    **settings: Any,
) -> None:
    """Train ARCHITECTURE, or what a recipe says, and write a run's folder.

    With --dry-run nothing is written: a few steps are tried, and what the run would be and take is printed.

    Example: ganzoo train mlp --data mnist-test --images 200000
    """
    from ganzoo.config import build_config
    from ganzoo.data.loading import FORMS, check_split, open_data
    from ganzoo.training.recipes import DEFAULT_OBJECTIVE, data_of, is_for, notes_of, read_recipe
    from ganzoo.training.run import next_free
    from ganzoo.training.settings import Settings
    from ganzoo.training.trainer import Trainer

    plan = read_recipe(recipe) if recipe else {}
    model, source = plan.get("model", {}), plan.get("data", {})
    architecture = architecture or model.get("architecture")
    if architecture is None:
        raise InputError("nothing was named to train; give an architecture such as mlp, or --recipe NAME")
    data = data or source.get("source")
    if data is None:
        hint = source.get("hint", FORMS)
        raise InputError(f"no data was given to train on; give --data with {hint}")
    given = {key: value for key, value in settings.items() if value is not None}
    chosen = {**plan.get("training", {}), **parse_assignments(assignments), **given}
    if "images" not in chosen:
        raise InputError("no budget was given; give --images, such as --images 200000")
    build_config(Settings, chosen, "training")  # -s could name another argument of the trainer
    objective = objective or plan.get("objective", DEFAULT_OBJECTIVE)
    if split is not None:
        check_split(data, split)
    split = split or source.get("split", "train")
    conditional = conditional or source.get("conditional") or None
    model_args = {**model.get("args", {}), **parse_assignments(arguments)}
    discriminator = discriminator or model.get("discriminator")
    discriminator_args = {**model.get("discriminator_args", {}), **parse_assignments(discriminator_arguments)}
    table = open_data(data, split=split)
    fingerprint = table.fingerprint() if plan else ""
    asked = {
        "objective": objective,
        "model": {
            "architecture": architecture,
            "args": model_args,
            "discriminator": discriminator or "",
            "discriminator_args": discriminator_args,
        },
        "data": {"source": data, "split": split, "conditional": bool(conditional)},
        "training": chosen,
    }
    trainer = Trainer(
        architecture,
        objective,
        table,
        run=run
        or next_free(
            Path("runs"), plan.get("name") or f"{architecture.replace('/', '-')}-{Path(data.rpartition(':')[2]).name}"
        ),
        split=split,
        model_args=model_args,
        discriminator=discriminator,
        discriminator_args=discriminator_args,
        conditional=conditional,
        callbacks=callbacks,
        notes=notes_of(plan, asked, fingerprint) if plan else {},
        **chosen,
    )
    if is_for(plan, data, fingerprint) is False and not trainer.processes.number:
        other = f"the recipe {plan['name']} is for {data_of(plan)}, and this is {table.name}; expect other results"
        click.echo(other, err=True)
    if dry_run:
        click.echo(trainer.plan())
    else:
        finish(trainer)


@click.command(short_help="Go on with a run that was stopped.")
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
def resume(run: Path) -> None:
    """Go on with the run in folder RUN from its newest checkpoint, bit for bit."""
    from ganzoo.training.trainer import Trainer

    trainer = Trainer.resume(run)
    finished = (
        f"the run in {run} is finished, after {trainer.images:,} images; to go on, set images under [training] in "
        f"{run / 'config.toml'} to more, and resume it again"
    )
    finish(trainer, finished if trainer.index >= trainer.settings.steps else "")


def finish(trainer: Any, opening: str = "") -> None:
    """Train to the end and say where the model is.

    Args:
        trainer: The trainer.
        opening: What to say first; by default what is trained, and in which folder.
    """
    from ganzoo.training.distributed import leave
    from ganzoo.training.memorising import read_report

    click.get_current_context().meta[TRAINING] = True
    if trainer.processes.number:  # another process writes and speaks
        trainer.fit()
        leave()
        return
    opening = opening or (
        f"training in {trainer.run.path}: {trainer.config()['model']['architecture']}, {trainer.objective}"
        + (f", from image {trainer.images:,} of {trainer.settings.images:,}" if trainer.images else "")
    )
    click.echo(opening, err=True)
    gan, model = trainer.fit(), trainer.run.model
    leave()
    command = {
        "vector": None,
        "image": f"ganzoo translate local-dir:{model} PICTURE --out translated",
    }.get(gan.condition.kind, f"ganzoo sample local-dir:{model} --out samples.png")
    if trainer.journal.evaluator and (best := trainer.journal.evaluator.best):
        click.echo(f"the best by {best.name}, {best.value:.4g} after {best.images} images, is in {trainer.run.best}")
    click.echo(f"the model is in {model}" + (f"; look at it with: {command}" if command else ""))
    if report := read_report(trainer.run.path):
        click.echo(f"{report}; look at {trainer.run.path / 'memorisation'}")


def parse_assignments(assignments: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE options; values are read as TOML, and as text where they are no TOML.

    Raises:
        ConfigError: One has no `=`.
    """
    import tomllib

    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key.isidentifier():
            raise ConfigError(f"{assignment!r} is no setting; it takes KEY=VALUE, such as base_channels=32")
        try:
            values[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key] = text.strip()
    return values
