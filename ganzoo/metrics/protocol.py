"""The protocol of one evaluation, in words that go with every number."""

import torch

import ganzoo
from ganzoo.metrics.drawing import Subject
from ganzoo.metrics.features import BATCH_SIZE, Extractor
from ganzoo.metrics.inception import NAME as INCEPTION
from ganzoo.metrics.reference import Reference
from ganzoo.metrics.report import Protocol


def describe(
    subject: Subject, reference: Reference, *, floor: str, extractor: Extractor | None = None, package: str = ""
) -> Protocol:
    """Say how an evaluation is done.

    Args:
        subject: What is evaluated.
        reference: What it is compared with.
        floor: What the floor is measured on.
        extractor: What looks at pictures; None for points.
        package: The package that computes distances, with its version.
    """
    test = reference.test
    half_life = subject.model.config.training.get("ema_half_life_images")
    fresh = f"{subject.samples} samples of an untrained {subject.architecture}"
    packages = (f"ganzoo {ganzoo.__version__}", f"torch {torch.__version__}", package)
    return Protocol(
        samples=subject.samples,
        reference=f"{len(test)} of {test.name}" + (", test split" if reference.train is not None else ""),
        floor=floor,
        ceiling="none" if subject.untrained is None else fresh,
        features="" if extractor is None else extractor.label,
        features_sha256="" if extractor is None else extractor.sha256,
        seed=subject.seed,
        batch_size=BATCH_SIZE,
        quantisation=str(test.samples.dtype).removeprefix("torch."),
        resize="299x299, bilinear as in TensorFlow 1" if extractor and extractor.name == INCEPTION else "none",
        labels=_conditions(subject),
        weights=f"EMA, half-life {half_life} images" if half_life else "as given",
        versions=", ".join(filter(None, packages)),
    )


def _conditions(subject: Subject) -> str:
    condition = subject.model.condition
    return {
        "none": "none",
        "label": f"i % {condition.num_classes}",
        "vector": "the data's vectors in turn",
        "image": "the data's sources in turn, noise off",
    }[condition.kind]
