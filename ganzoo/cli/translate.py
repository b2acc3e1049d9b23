"""`ganzoo translate`: pictures in, pictures out."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from ganzoo.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

WORTH_A_BAR = 100  # reading fewer pictures takes no time worth a progress bar


@click.command(short_help="Translate pictures with an image-conditioned model.")
@click.argument("model")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Write NAME.png for each here."
)
@click.option(
    "--resize",
    type=click.Choice(["none", "stretch", "crop", "pad", "nearest"]),
    help="How a picture of another size becomes the model's: crop keeps its middle, pad adds white, nearest "
    "suits pixel art.  [default: stretch, or none for a model that takes any size]",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Draw the model's noise, the same for each picture; by default there is none.",
)
@click.option(
    "--network",
    default="generator",
    show_default=True,
    help="Which of the model's generators, such as generator_back of one with a way back.",
)
def translate(
    model: str, pictures: tuple[Path, ...], out: Path, resize: str | None, seed: int | None, network: str
) -> None:
    """Translate PICTURES with MODEL: a name that `ganzoo list` shows, hf-hub:ORG/NAME or local-dir:PATH.

    Example: ganzoo translate local-dir:runs/facades/model front.png --out translated
    """
    from tqdm import tqdm

    from ganzoo import zoo
    from ganzoo.data.pictures import source_from_picture
    from ganzoo.data.render import picture, save_png
    from ganzoo.data.resizing import Resize
    from ganzoo.models.condition import condition_of, takes_any_size
    from ganzoo.translating import read_images

    names: dict[str, Path] = {}
    for path in pictures:
        name = f"{path.stem}.png"
        if name in names:
            raise InputError(f"{str(names[name])!r} and {str(path)!r} would both be written to {name}; use two folders")
        if (out / name).resolve() == path.resolve():
            raise InputError(f"{str(path)!r} would be overwritten by its translation; give another folder as --out")
        names[name] = path
    gan = zoo.load(model)
    if gan.condition.kind != "image":
        raise InputError(f"{model} takes {gan.condition} as its condition, not pictures; use ganzoo sample")
    translator = gan.translator(network)
    shape = condition_of(translator).shape
    resize = resize or ("none" if takes_any_size(translator) else "stretch")
    how = next((each for each in get_args(Resize) if each == resize), None)

    def read(path: Path) -> tuple["Tensor", str]:
        return source_from_picture(path, (shape[0], shape[1], shape[2]), how)

    # All are read once before the first is translated, so that one that does not do leaves nothing half done.
    for path in tqdm(pictures, "reading", unit=" pictures", disable=None if len(pictures) > WORTH_A_BAR else True):
        source, _ = read(path)
        try:
            read_images(translator, source)
        except InputError as error:
            raise InputError(f"{str(path)!r} cannot be translated: {error}") from error
    with tqdm(total=len(names), unit=" pictures", disable=None) as bar:
        for name, path in names.items():
            source, description = read(path)
            save_png(picture(gan.translate(source, seed=seed, network=network)), out / name)
            bar.write(f"{path}: {description}; wrote {out / name}")
            bar.update()
