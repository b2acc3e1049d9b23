"""A run's log and pictures as one picture, and its pictures as an animation."""

import logging
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganzoo.data import render
from ganzoo.data.curves import Colour, Curve, Panel
from ganzoo.data.plots import Floats
from ganzoo.data.scales import Scale
from ganzoo.errors import InputError
from ganzoo.training.history import read_log
from ganzoo.training.run import RunFolder
from ganzoo.training.status import RunStatus, run_status

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger("ganzoo")

SAMPLE = re.compile(r"(\d{9,})\.png", re.ASCII)

# Blues for the discriminator, and reds for the generator; the first is of the sum, the others are of its parts.
COLOURS: dict[str, list[Colour]] = {
    "discriminator": [(45, 93, 168), (74, 160, 190), (126, 110, 190), (50, 140, 120)],
    "generator": [(206, 84, 40), (222, 150, 50), (190, 80, 130), (140, 100, 60)],
}
LINE = 150  # characters of a line below the heading
LOSS_HEIGHT, SCORE_HEIGHT = 300, 180  # of the panels, in pixels


def draw_progress(path: Path) -> "Image.Image":
    """Draw how a run went, or goes: losses, D(x) and D(G(z)) over images shown, and some of its fixed samples.

    Args:
        path: The run's folder; it is only read, also while a process trains in it.

    Raises:
        InputError: The folder holds neither a line of a log nor a picture.
    """
    run = RunFolder(path)
    lines, pictures = read_log(run.metrics_file), sample_pictures(run)
    if not lines and not pictures:
        raise InputError(
            f"{str(path)!r} holds no line of a log and no picture of samples yet, so there is nothing to draw; give "
            "the folder of a run, as `ganzoo runs` lists them"
        )
    status = run_status(path)
    lines = [line for line in lines if line.keys() & LOGGED]  # an evaluation between two of them is no gap
    positions = np.array([line["images"] for line in lines], dtype=float)
    panels = [_losses(lines)]
    if any(np.isfinite(_values(lines, name)).any() for name in _SCORES):
        panels.append(_scores(lines))
    end = max([*positions, *(images for images, _ in pictures), 1.0])
    captioned = [(picture, f"{images:,} images") for images, picture in pictures]
    return render.progress(_title(status), _details(status), positions, panels, captioned, end=float(end))


def save_animation(path: Path, file: Path) -> int:
    """Write the pictures of a run's fixed samples as an animated GIF, and return how many it shows.

    Args:
        path: The run's folder.
        file: The GIF.

    Raises:
        InputError: There is no picture.
        OutputError: The file cannot be written.
    """
    pictures = sample_pictures(RunFolder(path))
    if not pictures:
        raise InputError(
            f"there is no picture in {str(path / 'samples')!r} to animate; a run draws one at its start and each "
            "sample_every_images, where its samples can be drawn"
        )
    end = max(images for images, _ in pictures) or 1
    return render.save_gif([(picture, f"{images:,} images", images / end) for images, picture in pictures], file)


def sample_pictures(run: RunFolder) -> "list[tuple[int, Image.Image]]":
    """Read the pictures of a run's fixed samples, each after how many images, in order.

    One that cannot be read is left out, with a warning.
    """
    from PIL import Image

    found = []
    folder = run.sample_file(0).parent
    for path in folder.glob("*.png") if folder.is_dir() else ():
        if match := SAMPLE.fullmatch(path.name):
            try:
                with Image.open(path) as picture:
                    picture.load()
                    found.append((int(match[1]), picture.copy()))
            except (OSError, ValueError, SyntaxError) as error:  # as Pillow calls a broken PNG
                logger.warning("%s is left out: it cannot be read (%s)", path, error)
    return sorted(found, key=lambda pair: pair[0])


_SCORES = {"real_score": "D(x), real", "fake_score": "D(G(z)), generated"}
LOGGED = {"discriminator_loss", "generator_loss", *_SCORES}  # what every line of losses has


def _losses(lines: Sequence[Mapping[str, Any]]) -> Panel:
    curves = []
    names = list(dict.fromkeys(key for line in lines for key in line))
    for role, (colour, *others) in COLOURS.items():
        total = _values(lines, f"{role}_loss")
        if f"{role}_loss" in names:
            curves.append(Curve(name=role, values=total, colour=colour))
        parts = [
            name
            for name in names
            if name.startswith(f"{role}_") and name not in (f"{role}_loss", f"{role}_gradient_norm")
        ]
        for number, name in enumerate(parts):
            values = _values(lines, name)
            if not np.array_equal(values, total, equal_nan=True):  # it would lie on its sum
                part = f"its {name.removeprefix(f'{role}_')}"  # the legend has it below the sum
                curves.append(Curve(name=part, values=values, colour=others[number % len(others)], dashed=True))
    return Panel(title="losses", curves=curves, height=LOSS_HEIGHT)


def _scores(lines: Sequence[Mapping[str, Any]]) -> Panel:
    colours = (COLOURS["discriminator"][0], COLOURS["generator"][0])
    curves = [
        Curve(name=name, values=_values(lines, key), colour=colour)
        for (key, name), colour in zip(_SCORES.items(), colours, strict=True)
    ]
    title = "discriminator's scores: mean sigmoid of its logits"
    return Panel(title=title, curves=curves, height=SCORE_HEIGHT, scale=Scale(0.0, 1.0), line=0.5)


def _values(lines: Sequence[Mapping[str, Any]], name: str) -> Floats:
    """Return a value of each line, NaN where it has none."""
    found = [line.get(name) for line in lines]
    return np.array([value if isinstance(value, int | float) else math.nan for value in found], dtype=float)


def _title(status: RunStatus) -> str:
    path = status.path.resolve()
    name = f"{path.parent.name}/{path.name}" if path.name.isdigit() else path.name  # such as a seed
    return f"{name}: {status.architecture} on {status.data}" if status.architecture and status.data else name


def _details(status: RunStatus) -> list[str]:
    shown = f"{status.images:,}" + (f" of {status.budget:,}" if status.budget else "") + " images"
    speed = status.figures.get("images_per_second")
    speeds = f", {speed:,.0f} images/s" if speed and status.state == "running" else ""
    objective = f"objective: {status.objective}" if status.objective else ""
    state = f"{status.state}, {shown}{speeds}" + (f"; {status.reason}" if status.reason else "")
    return [*textwrap.wrap(objective, LINE), *textwrap.wrap(state, LINE)]
