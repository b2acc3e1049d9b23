"""Measuring a model while it trains, and telling which one was the best."""

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from ganzoo.config import build_config, read_json_object
from ganzoo.data.table import Table
from ganzoo.errors import ConfigError, InputError
from ganzoo.gan import GAN
from ganzoo.metrics.choosing import choose
from ganzoo.metrics.evaluation import evaluate
from ganzoo.metrics.extractors import load_extractors
from ganzoo.metrics.fidelity import fidelity_version
from ganzoo.metrics.reference import open_reference
from ganzoo.metrics.report import Measurement, Report
from ganzoo.training.recorder import Recorder
from ganzoo.training.settings import Settings

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best model so far: after how many images, and its number."""

    images: int
    name: str
    value: float


class Evaluator:
    """Holds a run's model against real data, as `ganzoo.evaluate` does, with seed 0.

    Attributes:
        best: The best model so far; None before the first evaluation, and without `best_by`.
    """

    def __init__(self, settings: Settings, table: Table, gan: GAN, recorder: Recorder) -> None:
        """Find the real data and the number to tell the best by.

        Args:
            settings: Its `best_by`, `evaluate_samples` and `weights_dtype` are used.
            table: What the run trains on. Data that has a name or a path is opened again for its test split.
            gan: The model.
            recorder: Writes the best model.

        Raises:
            UnknownNameError: No number or features have a name in `best_by`.
            InputError: The number does not fit the data or says not what is better, no judge is known for the data, or
                the best model cannot be saved.
            DataError: The data has no test split.
            MissingExtraError: torch-fidelity is not installed, which pictures need.
        """
        self._recorder, self._dtype = recorder, getattr(torch, settings.weights_dtype)
        self._samples = settings.evaluate_samples or None
        self._choice = choose(settings.best_by, table, gan.condition) if settings.best_by else None
        if self._choice and recorder.run is None:
            raise InputError("best_by keeps the best model in the run's folder; give run=..., or leave best_by out")
        if self._choice and any(name not in gan.config.networks for name in gan.networks):
            raise InputError(
                "best_by saves the best model for others, and plain modules are in no registry; leave best_by out, or "
                "register an architecture in a plugin"
            )
        self._features = (self._choice.features if self._choice else "") or None
        if len(table.sample_shape) == 3 and gan.condition.kind != "image":
            fidelity_version()
            self._check_features(table)
        self._reference = open_reference(table if table.source is None else table.source)
        self.best: Best | None = None
        self._before: Best | None = None
        self._report: Report | None = None

    def _check_features(self, table: Table) -> None:
        try:
            load_extractors(self._features, table)
        except InputError as error:
            raise InputError(f"{error}; name it in brackets, such as best_by='FID[inception-v3-compat]'") from error

    def measure(self, gan: GAN, images: int) -> dict[str, float]:
        """Measure the model, and note whether it is the best so far.

        Args:
            gan: The model, with averaged weights.
            images: After how many images it is.

        Returns:
            The numbers that are finite, by the names that reports give them.

        Raises:
            InputError: The samples are too few, or the report lacks the number that `best_by` names.
        """
        metrics = self._choice.metrics if self._choice else None
        report = evaluate(gan, self._reference, metrics=metrics, features=self._features, samples=self._samples)
        if self._choice:
            found = self._choice.find(report)
            if self.best is None or _is_better(found, self.best.value):
                self._before = self.best
                self.best = Best(images=images, name=found.name, value=found.value)
        self._report = report
        return {each.name: each.value for each in report.measurements if math.isfinite(each.value)}

    def is_best(self, images: int) -> bool:
        """Tell whether the model after so many images is the best so far."""
        return self.best is not None and self.best.images == images

    @property
    def is_kept(self) -> bool:
        """Tell whether the best model is the one on disk."""
        if self._recorder.run is None:
            return False
        try:
            config = read_json_object((self._recorder.run.best / "config.json").read_bytes(), "config.json")
            return self.best is not None and bool(config["training"]["images_shown"] == self.best.images)
        except (OSError, ConfigError, KeyError, TypeError):
            return False

    def keep(self, gan: GAN, picture: "Image.Image | None") -> None:
        """Write the model that was just measured as the best, with its numbers and their protocol in its config.

        If the disk refuses, the one before stays the best, so that the next that is better than it gets its try.
        """
        measurements = () if self._report is None else self._report.measurements
        measured = [asdict(each) for each in measurements if math.isfinite(each.value)]
        networks, config = dict(gan.networks.items()), replace(gan.config, metrics=measured)
        if not self._recorder.keep(GAN(networks, config=config, latent_dim=gan.latent_dim), picture, self._dtype):
            self.best = self._before

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {} if self.best is None else asdict(self.best)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept.

        Raises:
            ConfigError: It is something else.
        """
        self.best = build_config(Best, state, "the checkpoint: best") if state else None


def _is_better(found: Measurement, best: float) -> bool:
    if not math.isfinite(found.value) or not math.isfinite(best):
        return math.isfinite(found.value)
    return found.value < best if found.better == "lower" else found.value > best
