"""`ganzoo data`: look at data before training on it, and keep it as one file."""

import json
from pathlib import Path

import click

from ganzoo.cli.endings import FileEnding


@click.group(short_help="Look at data, or pack it into one file.")
def data() -> None:
    """Look at data before training on it, and keep it as one file."""


@data.command(short_help="Say what lies in a folder or an archive of pictures.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--sheet", type=FileEnding(".png"), help="Draw up to 64 of them into this PNG.")
@click.option(
    "--labels",
    type=click.Choice(["folders", "none"]),
    default="folders",
    show_default=True,
    help="Whether folders are classes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(folder: Path, sheet: Path | None, labels: str, as_json: bool) -> None:
    """Decode every picture in FOLDER, a folder, tar archive or zip archive, and say what there is.

    Counts, sizes, modes and labels; what is unreadable, and why; and duplicates, by their pixels. Exits with 1 where a
    picture cannot be read, or a split cannot be opened.

    Example: ganzoo data check photos --sheet sheet.png

    With --json, prints an object with the keys path, pictures, splits, broken_splits (an object: split to reason),
    labels, sizes, modes, formats (each an object: key to count), transparent, animated, turned, profiles, unreadable
    (an object: name to reason), duplicates (an array of arrays of names), empty_folders and other_files.
    """
    from ganzoo.data.inspection import inspect_pictures
    from ganzoo.data.render import draw, save_png

    found, pictures = inspect_pictures(folder, labels="none" if labels == "none" else "folders")
    if sheet is not None and pictures is not None:
        save_png(draw(pictures, scale=1, offset=0), sheet)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
    if found.unreadable or found.broken_splits:
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
