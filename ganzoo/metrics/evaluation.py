"""`evaluate`: hold a model's samples against real data, between a floor and a ceiling."""

import os
from collections.abc import Collection, Sequence

from ganzoo import zoo
from ganzoo.data.loading import Data
from ganzoo.errors import InputError, UnknownNameError, did_you_mean, given
from ganzoo.gan import GAN
from ganzoo.metrics.cache import cached
from ganzoo.metrics.drawing import Subject, architecture_name
from ganzoo.metrics.extractors import load_extractors
from ganzoo.metrics.fidelity import fidelity_version
from ganzoo.metrics.names import name_measurements
from ganzoo.metrics.pairs import measure_pairs
from ganzoo.metrics.pictures import METRICS, Bench
from ganzoo.metrics.points import measure_points
from ganzoo.metrics.protocol import describe
from ganzoo.metrics.reference import Reference, open_reference, split_parts
from ganzoo.metrics.report import Measurement, Protocol, Report
from ganzoo.sampling import whole

PICTURES, POINTS = 10_000, 2_500  # samples drawn by default: MNIST's test split has as many, PacGAN drew as many

# Raised when a metric's definition changes, so that older cached numbers are computed again.
CACHE_VERSION = 1


def evaluate(
    model: GAN | str | os.PathLike[str],
    data: Data | Reference,
    *,
    metrics: Collection[str] | None = None,
    features: str | Sequence[str] | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> Report:
    """Measure what a model's samples are worth.

    Pictures are compared on the features of one or more networks, points with their known distribution, and
    translations, of an image-conditioned model, with their targets. Samples are drawn in eval mode without truncation,
    in bounded memory, and rounded as they would be saved.

    Args:
        model: The model, or what `ganzoo.load` takes.
        data: What `open_data` takes, or what `open_reference` returned, for several evaluations. Its test split is the
            reference; its training split, if there is one, gives the floor and the training pictures of memorisation.
        metrics: For pictures: of `frechet`, `kid`, `precision-recall`, `classes` and `memorisation`; None for all.
        features: For pictures: names of judges such as `"judge-mnist"`, or `"inception-v3-compat"`; None for the
            judges of the data, known by its name.
        samples: How many to draw; by default 10,000 pictures or 2,500 points.
        seed: The samples' seed.

    Returns:
        The numbers, each with its floor (real data), its ceiling (an untrained generator) and its protocol.

    Raises:
        UnknownNameError: No model, data set, metric or network has a name that was given.
        DataError: The data cannot be read.
        InputError: Model and data do not fit, no judge is known for the data, or samples are too few.
        MissingExtraError: torch-fidelity is not installed, which pictures need.
        SourceError: A model or Inception's weights cannot be found.
    """
    samples = None if samples is None else whole("samples", samples, 1)
    seed = whole("seed", seed, 0)
    wanted = _checked(METRICS if metrics is None else metrics)
    reference = open_reference(data)
    if (gan := model if isinstance(model, GAN) else zoo.load(model)).condition.kind == "image":
        if not (metrics is None and features is None):
            raise InputError("translations are compared with their targets, and take no metrics and no features")
        return _evaluate_pairs(_name(model), gan, reference, samples)
    pictures = reference.test.samples.ndim == 4
    if not pictures and not (metrics is None and features is None):
        raise InputError(f"{reference.test.name} holds points, which take no metrics and no features; leave them out")
    subject = Subject(gan, reference.test, (PICTURES if pictures else POINTS) if samples is None else samples, seed)
    if pictures:
        return _evaluate_pictures(_name(model), subject, reference, wanted, features)
    return _evaluate_points(_name(model), subject, reference)


def _name(model: GAN | str | os.PathLike[str]) -> str:
    return architecture_name(model) if isinstance(model, GAN) else os.fspath(model)


def _evaluate_pairs(name: str, model: GAN, reference: Reference, samples: int | None) -> Report:
    data = reference.test
    subject = Subject(model, data, len(data) if samples is None else min(samples, len(data)), 0)
    values = measure_pairs(model, data, subject.samples)
    untrained = subject.untrained
    ceiling = None if untrained is None else measure_pairs(untrained.model, data, subject.samples)
    protocol = describe(subject, reference, floor="the targets themselves")
    floor = {"absolute_error": 0.0, "error_over_copying": 0.0, "gradient_ratio": 1.0}
    return Report(model=name, data=data.name, measurements=tuple(name_measurements(values, floor, ceiling, protocol)))


def _evaluate_pictures(
    name: str,
    subject: Subject,
    reference: Reference,
    metrics: tuple[str, ...],
    features: str | Sequence[str] | None,
) -> Report:
    package = f"torch-fidelity {fidelity_version()}"  # asked first, so that its absence shows before the work
    extractors = load_extractors(features, reference.test)
    parts = split_parts(reference, subject.samples)
    found: list[Measurement] = []
    shares: dict[str, list[float]] = {}
    for extractor in extractors:
        protocol = describe(subject, reference, floor=parts.floor, extractor=extractor, package=package)
        values, floor, ceiling = _measure(Bench(extractor, reference, parts, metrics), subject, protocol)
        found += name_measurements(values, floor, ceiling, protocol)
        if "class_share_0" in values:
            shares[extractor.label] = [value for key, value in values.items() if key.startswith("class_share_")]
    notes = (reference.note,) if reference.note else ()
    data = reference.test.name
    return Report(model=name, data=data, measurements=tuple(found), class_shares=shares, notes=notes)


def _measure(
    bench: Bench, subject: Subject, protocol: Protocol
) -> tuple[dict[str, float], dict[str, float], dict[str, float] | None]:
    """Return the model's numbers, and the floor and the ceiling, which are computed once and kept."""
    values = bench.measure(subject.drawn, subject.labels)
    test, train = bench.reference.test, bench.reference.train
    labelled = subject.labels is not None
    key = {
        "version": CACHE_VERSION,
        "packages": protocol.versions,
        "features": protocol.features_sha256,
        "batch_size": protocol.batch_size,
        "metrics": bench.metrics,
        "labelled": labelled,
        "samples": subject.samples,
        "test": test.fingerprint(),
        "train": None if train is None else train.fingerprint(),
    }
    floor = cached(key, lambda: bench.measure_floor(labelled=labelled))
    untrained = subject.untrained
    if untrained is None:
        return values, floor, None
    network = untrained.model.config.networks["generator"]
    key |= {"seed": subject.seed, "architecture": network.architecture, "args": network.args}
    key |= {"provider": network.provider}
    return values, floor, cached(key, lambda: bench.measure(untrained.drawn, untrained.labels))


def _evaluate_points(name: str, subject: Subject, reference: Reference) -> Report:
    data = reference.test
    values = measure_points(subject.drawn, data)
    floor = measure_points(data.samples[: subject.samples], data)
    ceiling = None if subject.untrained is None else measure_points(subject.untrained.drawn, data)
    protocol = describe(subject, reference, floor=f"the first {min(subject.samples, len(data))} of the data")
    measurements = name_measurements(values, floor, ceiling, protocol)
    return Report(model=name, data=data.name, measurements=tuple(measurements))


def _checked(metrics: Collection[str]) -> tuple[str, ...]:
    """Return the names in one order, or refuse an unknown one."""
    is_list = isinstance(metrics, Collection) and not isinstance(metrics, str)
    if not (is_list and all(isinstance(name, str) for name in metrics)):
        raise InputError(f"metrics is {given(metrics)}; it takes a list of names, of {', '.join(METRICS)}")
    for name in metrics:
        if name not in METRICS:
            raise UnknownNameError(
                f"no metric is named {name!r}{did_you_mean(name, METRICS)}; use {', '.join(METRICS)}"
            )
    return tuple(name for name in METRICS if name in metrics)
