"""`ganzoo patches`: hold a model's pictures against real ones where no classifier knows the data."""

import click


@click.command(short_help="Measure pictures by their patches, without a classifier.")
@click.argument("model")
@click.option("--train", required=True, help="What it was trained on, as --data of `ganzoo train` takes it.")
@click.option("--held-out", required=True, help="Pictures like them that training never saw.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The samples' seed.")
@click.option("--record", is_flag=True, help="Write the numbers into the card of MODEL, a local-dir:PATH.")
def patches(model: str, train: str, held_out: str, seed: int, record: bool) -> None:
    """Measure the samples of MODEL by the sliced Wasserstein distance of their patches, and look for copies.

    Example: ganzoo patches progressive-openmoji --train openmoji-colour --held-out openmoji-colour-test
    """
    import ganzoo
    from ganzoo.data.loading import open_data
    from ganzoo.errors import InputError
    from ganzoo_progressive import measuring

    prefix, _, folder = model.partition("local-dir:")
    if record and (prefix or not folder):
        raise InputError(f"--record was given for {model!r}; it takes a folder of your own, as local-dir:PATH")
    gan = ganzoo.load(model)
    found = measuring.measure(gan, open_data(train), open_data(held_out), seed=seed)
    if record:
        measuring.record(ganzoo.load(model, discriminator=True), folder, found)
    for each in found:
        numbers = "  ".join(f"{key} {each[key]:.4g}" for key in ("value", "floor", "ceiling"))
        click.echo(f"{each['name']:<24}  {numbers}")
