"""Whether a trained model's samples repeat training pictures: a report, a figure and pairs to look at."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo import files, zoo
from ganzoo.data import render
from ganzoo.data.table import Table
from ganzoo.errors import DataError, InputError, MissingExtraError
from ganzoo.gan import GAN
from ganzoo.metrics.choosing import choose
from ganzoo.metrics.drawing import draw
from ganzoo.metrics.extractors import load_extractors
from ganzoo.metrics.neighbours import nearest_rows
from ganzoo.metrics.reference import open_reference_of
from ganzoo.randomness import generator
from ganzoo.training.callbacks import Callback

if TYPE_CHECKING:
    from ganzoo.training.trainer import Trainer

logger = logging.getLogger("ganzoo")

FOLDER = "memorisation"
SAMPLES = 1_000
POOL, POOL_VALUES = 10_000, 2**29  # training pictures that are searched, and their values; of more some are chosen
COMPARED = 1_000  # pictures that samples are held against; likewise
ENOUGH = 50  # held-out pictures for a distribution; with fewer, each training picture is held out from the others
LEAST = 10  # training pictures; held against fewer others, a picture is near or far by chance
NEAREST = 0.05  # the share of held-out pictures that counts as very near
PAIRS, COLUMNS = 32, 8
READABLE = 64  # pixels; smaller pictures are enlarged
SUSPECT_SHARE, SUSPECT_RATIO, FAR_RATIO = 0.25, 0.75, 1.25


@dataclass(frozen=True, kw_only=True)
class MemorisationReport:
    """How near samples are to training pictures, beside how near pictures are that training did not see.

    Attributes:
        model: Which of the run's models was drawn from, `"model"` or `"best"`.
        images: After how many images that was.
        samples: How many samples were drawn, with seed 0.
        distance: What is measured: Euclidean distance of a judge's features, or the root mean square difference of
            pixels, which run from 0 to 1.
        training: How many training pictures were searched.
        trained_on: How many there are.
        held_out: What the samples are compared with: held-out pictures, or each training picture with the others.
        sample_median: The median distance of samples to the nearest training picture.
        held_out_median: The same of held-out pictures.
        ratio: The first over the second. Near 1 samples are as far from training pictures as new pictures are; near 0
            they are copies.
        very_near: The share of samples that are nearer to a training picture than all but 5 % of held-out pictures
            are; by chance 0.05.
        nearest: The smallest distance of a sample.
    """

    model: str
    images: int
    samples: int
    distance: str
    training: int
    trained_on: int
    held_out: str
    sample_median: float
    held_out_median: float
    ratio: float
    very_near: float
    nearest: float

    @property
    def is_suspect(self) -> bool:
        """Samples are so near that some are likely to repeat training pictures."""
        return self.very_near > SUSPECT_SHARE or self.ratio < SUSPECT_RATIO

    def __str__(self) -> str:
        verdict = "samples are about as far from training pictures as new ones would be"
        if self.is_suspect:
            verdict = "samples repeat training pictures"
        elif self.ratio > FAR_RATIO:
            verdict = "samples are farther from training pictures than new ones would be"
        searched = f"; {self.training:,} of {self.trained_on:,} training pictures were searched"
        return (
            f"memorisation: {verdict}. The nearest training picture is {self.ratio:.2f} times as far from a sample as "
            f"from {self.held_out} (in the median; 0 for copies), and {self.very_near:.1%} of samples are very near "
            f"one (5% by chance), measured by {self.distance}{searched if self.training < self.trained_on else ''}"
        )


class Memorisation(Callback):
    """Writes the report, a figure and a picture of pairs into the run's folder when training is complete.

    Example:
        >>> ganzoo.Trainer("dcgan", "hinge", "photos", images=100_000, run="runs/a", callbacks=["memorisation"])
    """

    def __init__(self, samples: int = SAMPLES) -> None:
        """Choose how many samples to draw."""
        self.samples = samples

    def on_start(self, trainer: "Trainer") -> None:
        """Note the trainer, and refuse one whose samples cannot be compared so.

        Raises:
            InputError: The samples are no pictures, or need a vector or a picture each, or there is no folder.
        """
        self._trainer = trainer
        if trainer.processes.number:
            return
        if trainer.run is None or len(trainer.table.sample_shape) != 3:
            raise InputError("it compares pictures and writes into the run's folder; give run=..., or leave it out")
        if trainer.gan.condition.kind not in ("none", "label"):
            raise InputError(f"it draws samples without {trainer.gan.condition}; leave it out")

    def on_end(self, gan: GAN | None) -> None:
        """Draw from the best model, or from the last where none was kept, and write what was found."""
        trainer = self._trainer
        if gan is None or trainer.run is None:
            return
        best = trainer.journal.evaluator.best if trainer.journal.evaluator else None
        model, images = ("model", trainer.images) if best is None else ("best", best.images)
        drawn = gan if best is None else zoo.load(trainer.run.best)
        asked: dict[str, Any] = {"samples": self.samples, "best_by": trainer.settings.best_by}
        try:
            report, figure, pairs = examine(drawn, trainer.table, model=model, images=images, **asked)
        except DataError as error:
            logger.warning("no report on memorisation: %s", error)
            return
        folder = trainer.run.path / FOLDER
        render.save_png(figure, folder / "distances.png")
        render.save_png(pairs, folder / "pairs.png")
        files.write_text(folder / "report.json", json.dumps(asdict(report), indent=2) + "\n")
        logger.log(logging.WARNING if report.is_suspect else logging.INFO, "%s", report)


def read_report(run: Path) -> MemorisationReport | None:
    """Return the report in a run's folder, or None where there is none."""
    try:
        return MemorisationReport(**json.loads((run / FOLDER / "report.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def examine(
    gan: GAN, table: Table, *, samples: int = SAMPLES, best_by: str = "", model: str = "model", images: int = 0
) -> tuple[MemorisationReport, Any, Any]:
    """Hold a model's samples against what it was trained on.

    Args:
        gan: The model.
        table: The training pictures.
        samples: How many samples to draw.
        best_by: What the best was told by, which may name features.
        model: What to call the model in the report.
        images: After how many images it is.

    Returns:
        The report; a figure of both distributions of distances; and a picture of pairs, each a sample with the nearest
        training picture to its right: in the upper half the nearest pairs, in the lower the first samples.

    Raises:
        DataError: There are fewer than 10 training pictures, or most pictures to compare with are copies of these.
    """
    if len(table) < LEAST:
        raise DataError(f"{len(table)} training pictures do not tell how far new ones are; give at least {LEAST}")
    drawn = draw(gan, samples, seed=0, data=table)
    pool = _some(len(table), min(POOL, max(LEAST, POOL_VALUES // table.samples[0].numel())), "pool")
    training = _TrainingPictures(table, pool, best_by, gan)
    distances, places = training.nearest(drawn)
    others = _held_out(table)
    if others is None:
        own = _some(len(pool), COMPARED, "compared")
        apart, _ = training.nearest(table.samples[pool[own]], own)
        held_out = f"another of {len(pool):,} training pictures"
    else:
        compared = _some(len(others), COMPARED, "compared")
        apart, _ = training.nearest(others.samples[compared])
        held_out = f"one of {len(compared):,} held-out pictures"
    if not apart.quantile(0.5):
        raise DataError(f"half of the pictures to compare with ({held_out}) are copies; leave copies out of the data")
    apart = apart[apart > 0]  # copies tell nothing of how far new pictures are
    medians = float(distances.quantile(0.5)), float(apart.quantile(0.5))
    report = MemorisationReport(
        model=model,
        images=images,
        samples=samples,
        distance=training.distance,
        training=len(pool),
        trained_on=len(table),
        held_out=held_out,
        sample_median=medians[0],
        held_out_median=medians[1],
        ratio=medians[0] / medians[1],
        very_near=float((distances < torch.quantile(apart, NEAREST)).float().mean()),
        nearest=float(distances.min()),
    )
    title = "training pictures, to the others" if others is None else "held out"
    figure = render.compare({"samples": distances, title: apart}, f"distance to the nearest, {training.distance}")
    half = min(PAIRS, samples) // 2 or 1
    chosen = torch.cat([distances.argsort()[:half], torch.arange(half)])
    enlarged = max(1, READABLE // max(table.sample_shape[1:]))
    sides = [
        table.normalise(side).repeat_interleave(enlarged, 2).repeat_interleave(enlarged, 3)
        for side in (drawn[chosen], table.samples[pool[places[chosen]]])
    ]
    pairs = render.draw(render.beside(sides), scale=table.scale, offset=table.offset, columns=COLUMNS)
    return report, figure, pairs


class _TrainingPictures:
    """The training pictures that are searched, and how far others are from them.

    Attributes:
        distance: What is measured.
    """

    def __init__(self, table: Table, pool: Tensor, best_by: str, gan: GAN) -> None:
        """Take a judge's features where one knows the data, or else the pixels, of the rows of a table in the pool."""
        self._among: Tensor | None = None
        self._unit = 1.0
        try:
            names = choose(best_by, table, gan.condition).features if best_by else ""
            extractor = load_extractors(names or None, table)[0]
        except (InputError, MissingExtraError):
            self.distance = "RMS of pixels in [0, 1]"
            self._look = _pixels
            self._known, self._among = _pixels(table.samples), pool
            self._unit = 2 * table.scale * table.samples[0].numel() ** 0.5
        else:
            self.distance = f"features of {extractor.label}"
            self._look = lambda pictures: extractor.observe(pictures).features
            self._known = self._look(table.samples[pool])

    def nearest(self, pictures: Tensor, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return pictures' distances to the nearest, and the place of that in the pool.

        Args:
            pictures: In the data's units.
            own: The place in the pool of the picture that each is, where they are training pictures themselves.
        """
        distances, places = nearest_rows(self._look(pictures), self._known, among=self._among, own=own)
        return distances / self._unit, places


def _pixels(pictures: Tensor) -> Tensor:
    return pictures.flatten(1)


def _some(count: int, most: int, what: str) -> Tensor:
    """Return the numbers of all of so many pictures, or of so many that are chosen once and for all, in their order."""
    return torch.randperm(count, generator=generator("memorisation", what))[:most].sort().values


def _held_out(table: Table) -> Table | None:
    """Return the pictures of the test split, if there are enough of them and they are others."""
    if table.source is None:
        return None
    try:
        test = open_reference_of(table).test
    except DataError:
        return None
    fits = test.sample_shape == table.sample_shape and len(test) >= ENOUGH
    return test if fits and test.fingerprint() != table.fingerprint() else None
