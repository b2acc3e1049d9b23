"""`ganzoo upscaling`: a super-resolution model beside bicubic enlargement, in numbers and in a picture."""

import json
from pathlib import Path

import click

from ganzoo.cli.endings import FileEnding

ROWS, COLUMNS = 24, 2  # of the picture: that many pictures, evenly spread over the data


@click.command(short_help="Compare a super-resolution model with bicubic enlargement.")
@click.argument("model")
@click.option(
    "--data", required=True, help="Pairs, such as downscaled,factor=2:DIR, or downscaled,factor=2:openmoji-test."
)
@click.option("--split", type=click.Choice(["train", "test", "val"]), default="test", show_default=True)
@click.option("--network", help="A judge or a backbone of timm's, for a distance between features too.")
@click.option("--levels", type=click.IntRange(1, 10), default=2, show_default=True, help="How many of its levels.")
@click.option(
    "--sheet",
    type=FileEnding(".png"),
    help="Draw small picture, bicubic, the model's and the real one of 24 of them into this PNG.",
)
@click.option("--record", "is_recorded", is_flag=True, help="Write the numbers into the card of MODEL, a local-dir.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def upscaling(
    model: str,
    data: str,
    split: str,
    network: str | None,
    levels: int,
    sheet: Path | None,
    is_recorded: bool,
    as_json: bool,
) -> None:
    """Measure the pictures that MODEL makes of the small ones of DATA, beside bicubic enlargement.

    PSNR and SSIM are means over pictures, of uint8 RGB values and without cutting edges off; the feature distance is
    LPIPS without learned weights, by the network that is named.

    Example: ganzoo upscaling srgan-openmoji-x2 --data downscaled,factor=2:openmoji-test

    With --json, prints an object with the keys pictures and factor, and bicubic and model, each an object with the keys
    psnr (null where a picture is the real one to the bit), ssim and, with --network, feature_distance.
    """
    from ganzoo import zoo
    from ganzoo.config import LARGEST_CONFIG
    from ganzoo.data.loading import open_data
    from ganzoo.data.render import save_png
    from ganzoo.errors import InputError
    from ganzoo.sources import parse_source
    from ganzoo_srgan.compare import compare, draw, finite
    from ganzoo_srgan.record import record

    if is_recorded and parse_source(model).kind != "folder":
        raise InputError(f"--record was given for {model!r}; it takes a folder of your own, as local-dir:PATH")
    gan, table = zoo.load(model), open_data(data, split=split)
    found = compare(gan, table, network=network, levels=levels)
    if sheet is not None:
        save_png(draw(gan, table, rows=ROWS, columns=COLUMNS), sheet)
    if is_recorded:
        record(zoo.locate(model).path("config.json", largest=LARGEST_CONFIG).parent, table, found, network, levels)
    if as_json:
        click.echo(json.dumps(finite(found), indent=2))
        return
    click.echo(f"{found['pictures']} pictures of {table.name}, {found['factor']} times larger")
    for name in ("bicubic", "model"):
        numbers = ", ".join(f"{key.replace('_', ' ')} {value:.4f}" for key, value in found[name].items())
        click.echo(f"{name}: {numbers}")
