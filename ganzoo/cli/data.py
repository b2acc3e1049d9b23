"""`ganzoo data`: look at data before training on it, and keep it as one file."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.endings import FileEnding
from ganzoo.errors import InputError

if TYPE_CHECKING:
    from ganzoo.data.layout import Labels


@click.group(short_help="Look at data, or pack it into one file.")
def data() -> None:
    """Look at data before training on it, and keep it as one file."""


@data.command(short_help="Say what lies in a folder or an archive of pictures.")
@click.argument("source")
@click.option("--sheet", type=FileEnding(".png"), help="Draw up to 64 of them into this PNG.")
@click.option(
    "--labels",
    type=click.Choice(["folders", "none"]),
    help="Whether folders are classes.  [default: folders]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(source: str, sheet: Path | None, labels: "Labels | None", as_json: bool) -> None:
    """Decode every picture in SOURCE, a folder, tar archive or zip archive, and say what there is.

    SOURCE can have the options that --data of `ganzoo train` takes. With a size, the sheet shows the pictures as a
    model gets them; without, it shows them whole.

    Counts, sizes, modes and labels; what is unreadable, and why; and duplicates, by their pixels. Exits with 1 where
    more pictures cannot be read than may be left out, or a split cannot be opened.

    Example: ganzoo data check photos --sheet sheet.png

    Example: ganzoo data check pictures,image_size=28,mode=grey:photos --sheet sheet.png

    With --json, prints an object with the keys path, pictures, splits, broken_splits (an object: split to reason),
    labels, sizes, modes, formats (each an object: key to count), transparent, animated, turned, profiles, unreadable
    (an object: name to reason), unreadable_share, duplicates (an array of arrays of names), empty_folders and
    other_files.
    """
    from ganzoo.data.inspection import inspect_pictures
    from ganzoo.data.options import PictureOptions, leaving_out, read_text
    from ganzoo.data.render import draw, save_png

    split, options, path = read_text(source) or (None, PictureOptions(), source)
    if split is not None:
        raise InputError(f"{source!r} names a split, and all splits are checked; leave '@{split}' away")
    options = options if labels is None else replace(options, labels=labels)
    found, pictures = inspect_pictures(path, options)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
    if sheet is not None and pictures is not None:
        save_png(draw(pictures, scale=1, offset=0), sheet)
        click.echo(f"wrote {len(pictures)} of them to {sheet}", err=as_json)
    too_many = found.unreadable_share > options.unreadable
    if too_many and found.unreadable_share < 1:
        remedy = leaving_out(options, found.unreadable_share, path)
        click.echo(f"repair or remove what cannot be read, or leave it out by {remedy!r} as the data", err=True)
    if too_many or found.broken_splits:
        raise click.exceptions.Exit(1)


@data.command(short_help="Write any data as one .npz file.")
@click.argument("source")
@click.argument("out", type=FileEnding(".npz"))
@click.option("--split", type=click.Choice(["train", "test", "val"]), help="Which part of it.  [default: train]")
def pack(source: str, out: Path, split: str | None) -> None:
    """Write the data SOURCE, as --data of `ganzoo train` takes it, to OUT.npz, which --data takes too.

    Example: ganzoo data pack pictures,image_size=64:photos photos.npz
    """
    from ganzoo.data.loading import check_split, open_data
    from ganzoo.data.npz import write_npz

    if split is not None:
        check_split(source, split)
    table = open_data(source, split=split or "train")
    write_npz(table, out)
    shape = "x".join(map(str, table.sample_shape))
    click.echo(f"wrote {len(table):,} samples of {shape} to {out}")
