"""Everything that one extractor says of pictures: the model's, real ones, and an untrained generator's."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ganzoo.metrics.classes import class_shares, divergence_from_uniform, label_accuracy, mean_confidence
from ganzoo.metrics.features import Extractor, Observation
from ganzoo.metrics.fidelity import compare
from ganzoo.metrics.neighbours import memorisation
from ganzoo.metrics.reference import Parts, Reference

METRICS = ("frechet", "kid", "precision-recall", "classes", "memorisation")


@dataclass(frozen=True)
class Bench:
    """One extractor with the real pictures that samples are held against.

    Attributes:
        extractor: What looks at pictures.
        reference: The real pictures.
        parts: What the floor and memorisation are measured on.
        metrics: Of `METRICS`.
    """

    extractor: Extractor
    reference: Reference
    parts: Parts
    metrics: tuple[str, ...]

    @cached_property
    def real(self) -> Observation:
        """What the extractor sees in the test split."""
        return self.extractor.observe(self.reference.test.samples)

    @cached_property
    def pools(self) -> tuple[Tensor, Tensor] | None:
        """The features (M, D) of training and of test pictures to look for neighbours in; None if not wanted."""
        if "memorisation" not in self.metrics or self.parts.train is None:
            return None
        return self.extractor.observe(self.parts.train).features, self.real.features[self.parts.test_rows]

    def measure(self, pictures: Tensor, labels: Tensor | None) -> dict[str, float]:
        """Measure samples.

        Args:
            pictures: (N, C, H, W), uint8.
            labels: (N,) int64, what a conditional model was asked for; None for an unconditional one.

        Returns:
            Numbers by name: those of `compare`, `describe_classes` and `memorisation`.

        Raises:
            InputError: There are too few samples for a metric.
            MissingExtraError: torch-fidelity is not installed.
        """
        seen = self.extractor.observe(pictures)
        numbers = compare(seen.features, self.real.features, self.metrics)
        return numbers | self._classes(seen, labels) | self._memorisation(seen)

    def measure_floor(self, *, labelled: bool) -> dict[str, float]:
        """Measure real pictures as if they were samples.

        Classes are described on the whole test split, for a judge is surer of the pictures it was trained on.

        Args:
            labelled: Whether the model is conditional, so that its label accuracy needs a floor.

        Raises:
            InputError: There are too few pictures for a metric.
            MissingExtraError: torch-fidelity is not installed.
        """
        left, right = self.extractor.observe(self.parts.left), self.extractor.observe(self.parts.right)
        labels = self.reference.test.labels if labelled else None
        numbers = compare(left.features, right.features, self.metrics)
        return numbers | self._classes(self.real, labels) | self._memorisation(left)

    def _classes(self, seen: Observation, labels: Tensor | None) -> dict[str, float]:
        return describe_classes(seen, labels) if "classes" in self.metrics else {}

    def _memorisation(self, seen: Observation) -> dict[str, float]:
        return {} if self.pools is None else memorisation(seen.features, *self.pools)


def describe_classes(seen: Observation, labels: Tensor | None) -> dict[str, float]:
    """Say what a classifier makes of samples.

    Args:
        seen: What it saw.
        labels: (N,) int64, the classes they should be of, or None.

    Returns:
        `class_share_0` and so on, `class_divergence` and `confidence`, and `label_accuracy` where there are labels;
        nothing without logits.
    """
    if seen.logits is None:
        return {}
    shares = class_shares(seen.logits)
    numbers = {f"class_share_{number}": share for number, share in enumerate(shares.tolist())} | {
        "class_divergence": divergence_from_uniform(shares),
        "confidence": mean_confidence(seen.logits),
    }
    return numbers if labels is None else numbers | {"label_accuracy": label_accuracy(seen.logits, labels)}
