"""Measuring a model while it trains, and telling which one was the best."""

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ganzoo.config import build_config, read_json_object
from ganzoo.data.table import Table
from ganzoo.errors import ConfigError, InputError
from ganzoo.gan import GAN
from ganzoo.metrics.choosing import choose
from ganzoo.metrics.evaluation import evaluate
from ganzoo.metrics.extractors import load_extractors
from ganzoo.metrics.fidelity import fidelity_version
from ganzoo.metrics.reference import open_reference_of
from ganzoo.metrics.report import Measurement, Report
from ganzoo.training.probe import Probe
from ganzoo.training.recorder import Recorder
from ganzoo.training.settings import Settings

logger = logging.getLogger("ganzoo")


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best model so far: after how many images, and its number."""

    images: int
    name: str
    value: float


class Evaluator:
    """Holds a run's model against real data, as `ganzoo.evaluate` does, with seed 0.

    Attributes:
        best: The best model so far, which is never the untrained one; None before there is one, and without `best_by`.
    """

    def __init__(self, settings: Settings, table: Table, gan: GAN, recorder: Recorder, probe: Probe) -> None:
        """Find the real data and the number to tell the best by.

        Args:
            settings: Its `best_by`, `evaluate_samples`, `patience_images` and `weights_dtype` are used.
            table: What the run trains on. Data that has a name or a path is opened again for its test split.
            gan: The model.
            recorder: Writes the numbers and the best model.
            probe: Draws the best model's samples.

        Raises:
            UnknownNameError: No number or features have a name in `best_by`.
            InputError: The number does not fit the data or says not what is better, no judge is known for the data, or
                the best model cannot be saved.
            DataError: The data has no test split.
            MissingExtraError: torch-fidelity is not installed, which pictures need.
        """
        self._recorder, self._probe, self._dtype = recorder, probe, getattr(torch, settings.weights_dtype)
        self._samples = settings.evaluate_samples or None
        self._patience, self._best_by = settings.patience_images, settings.best_by
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
        reference = open_reference_of(table)
        # What the run holds already is not held twice.
        digest = table.fingerprint()
        if reference.test.fingerprint() == digest:
            reference = replace(reference, test=table)
        elif reference.train is not None and reference.train.fingerprint() == digest:
            reference = replace(reference, train=table)
        self._reference = reference
        self.best: Best | None = None

    def _check_features(self, table: Table) -> None:
        try:
            load_extractors(self._features, table)
        except InputError as error:
            raise InputError(f"{error}; name it in brackets, such as best_by='FID[inception-v3-compat]'") from error

    def evaluate(self, gan: GAN, images: int, step: int, checkpoint: Callable[[], None]) -> None:
        """Measure the model, write its numbers, and keep it if it is the best so far.

        The checkpoint comes before the model: it says which is the best, so that a run killed before that is written
        can write it when it is resumed.

        Args:
            gan: The model, with averaged weights.
            images: After how many images it is.
            step: After how many steps.
            checkpoint: Writes a checkpoint.

        Raises:
            InputError: The samples are too few, or the report lacks the number that `best_by` names.
        """
        report, former = self._measure(gan), self.best
        numbers = {each.name: each.value for each in report.measurements if math.isfinite(each.value)}
        self._recorder.evaluation(images, step, numbers)
        found = self._choice.find(report) if self._choice else None
        # Untrained networks are measured to compare with: noise can score better than a generator's first pictures.
        if found and images and math.isfinite(found.value) and (former is None or _is_better(found, former.value)):
            self.best = Best(images=images, name=found.name, value=found.value)
            checkpoint()
            if not self._keep(gan, report):
                self.best = former  # so that the next that is better than it gets its try

    def has_plateaued(self, images: int) -> bool:
        """Tell, after an evaluation, whether the best number is `patience_images` old.

        Args:
            images: After how many images this is.
        """
        since = 0 if self.best is None else self.best.images
        has = bool(self._patience) and images - since >= self._patience
        if has and self.best is not None:
            logger.warning("%s has not improved since %d images; training ends after %d", self.best.name, since, images)
        elif has:
            logger.warning("no model was kept as the best by %s; training ends after %d images", self._best_by, images)
        return has

    def mend(self, gan: GAN, images: int) -> None:
        """Write the best model if it is this one, and an earlier life of the run was ended before it could.

        Args:
            gan: The model that the run goes on from.
            images: After how many images it is.
        """
        if self.best is None or self.best.images != images or self._is_kept():
            return
        if not self._keep(gan, self._measure(gan)):
            self.best = None  # the next is measured against nothing, rather than against a model that nobody has

    def _measure(self, gan: GAN) -> Report:
        metrics = self._choice.metrics if self._choice else None
        return evaluate(gan, self._reference, metrics=metrics, features=self._features, samples=self._samples)

    def _is_kept(self) -> bool:
        """Tell whether the best model is the one on disk."""
        if self._recorder.run is None:
            return False
        try:
            config = read_json_object((self._recorder.run.best / "config.json").read_bytes(), "config.json")
            return self.best is not None and bool(config["training"]["images_shown"] == self.best.images)
        except (OSError, ConfigError, KeyError, TypeError):
            return False

    def _keep(self, gan: GAN, report: Report) -> bool:
        """Write the model as the best, with its numbers and their protocol, and tell whether that worked."""
        measured = [asdict(each) for each in report.measurements if math.isfinite(each.value)]
        networks, config = dict(gan.networks.items()), replace(gan.config, metrics=measured)
        stamped = GAN(networks, config=config, latent_dim=gan.latent_dim)
        return self._recorder.keep(stamped, self._probe.picture(gan, seed=0), self._dtype)

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
    return found.value < best if found.better == "lower" else found.value > best
