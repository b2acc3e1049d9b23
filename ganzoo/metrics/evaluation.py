"""`evaluate`: hold a model's samples against real data, between a floor and a ceiling."""

import functools
import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

import torch

import ganzoo
from ganzoo import zoo
from ganzoo.data.loading import Data
from ganzoo.errors import InputError, UnknownNameError, did_you_mean
from ganzoo.gan import GAN
from ganzoo.metrics.cache import cached
from ganzoo.metrics.classes import class_shares
from ganzoo.metrics.drawing import draw, untrained
from ganzoo.metrics.extractors import load_extractors
from ganzoo.metrics.features import BATCH_SIZE
from ganzoo.metrics.fidelity import fidelity_version
from ganzoo.metrics.names import name_measurements
from ganzoo.metrics.pictures import METRICS, Bench
from ganzoo.metrics.points import measure_points
from ganzoo.metrics.reference import Reference, open_reference, split_parts
from ganzoo.metrics.report import Measurement, Protocol, Report

PICTURES, POINTS = 10_000, 2_500  # samples drawn by default: MNIST's test split has as many, PacGAN drew as many

# Raised when a metric's definition changes, so that older cached numbers are computed again.
_CACHE_VERSION = 1


def evaluate(
    model: GAN | str | os.PathLike[str],
    data: Data,
    *,
    metrics: Collection[str] | None = None,
    features: str | Sequence[str] | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> Report:
    """Measure what a model's samples are worth.

    Pictures are compared on the features of one or more networks, points with their known distribution. Samples are
    drawn in eval mode without truncation, in bounded memory, and rounded as they would be saved.

    Args:
        model: The model, or what `ganzoo.load` takes.
        data: What `open_data` takes. Its test split is the reference; its training split, if there is one, gives the
            floor and the training pictures of memorisation.
        metrics: For pictures: of `frechet`, `kid`, `precision-recall`, `classes` and `memorisation`; None for all.
        features: For pictures: names of judges such as `"judge-mnist"`, or `"inception-v3-compat"`; None for both
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
    wanted = _checked(METRICS if metrics is None else metrics)
    gan = model if isinstance(model, GAN) else zoo.load(model)
    reference = open_reference(data)
    pictures = reference.test.samples.ndim == 4
    count = samples if samples is not None else PICTURES if pictures else POINTS
    if pictures:
        report = _evaluate_pictures(gan, reference, wanted, features, count, seed)
    elif metrics is None and features is None:
        report = _evaluate_points(gan, reference, count, seed)
    else:
        raise InputError(f"{reference.test.name} holds points, which take no metrics and no features; leave them out")
    return report if isinstance(model, GAN) else replace(report, model=os.fspath(model))


def _evaluate_pictures(
    gan: GAN,
    reference: Reference,
    metrics: tuple[str, ...],
    features: str | Sequence[str] | None,
    samples: int,
    seed: int,
) -> Report:
    fidelity = fidelity_version()  # asked first, so that its absence shows before the work
    test, parts, extractors = reference.test, split_parts(reference, samples), load_extractors(features, reference.test)
    labels = torch.arange(samples) % gan.condition.num_classes if gan.condition.kind == "label" else None
    fresh = untrained(gan)
    drawn = draw(gan, samples, seed=seed, data=test)
    draw_fresh = functools.cache(lambda: draw(fresh or gan, samples, seed=seed, data=test, description="untrained"))
    common = _protocol(gan, reference, samples, seed, floor=parts.floor, packages=f", torch-fidelity {fidelity}")
    found: list[Measurement] = []
    shares: dict[str, list[float]] = {}
    for extractor in extractors:
        bench, seen = Bench(extractor, test, parts, metrics), extractor.observe(drawn)
        protocol = replace(common, features=extractor.label, features_sha256=extractor.sha256)
        key = _cache_key(reference, protocol, metrics)
        values = bench.measure(seen, labels)
        floor = cached(key, partial(bench.measure_floor, labels is not None))
        fresh_key = key | _identity(fresh, seed)
        ceiling = cached(fresh_key, partial(bench.measure_drawn, draw_fresh, labels)) if fresh else None
        found += name_measurements(values, floor, ceiling, protocol)
        if seen.logits is not None:
            shares[extractor.label] = class_shares(seen.logits).tolist()
    return Report(
        model=architecture_name(gan),
        data=test.name,
        measurements=tuple(found),
        class_shares=shares,
        notes=(reference.note,) if reference.note else (),
    )


def _evaluate_points(gan: GAN, reference: Reference, samples: int, seed: int) -> Report:
    data, fresh = reference.test, untrained(gan)
    values = measure_points(draw(gan, samples, seed=seed, data=data), data)
    floor = measure_points(data.samples[:samples], data)
    ceiling = None if fresh is None else measure_points(draw(fresh, samples, seed=seed, data=data), data)
    protocol = replace(_protocol(gan, reference, samples, seed), floor=f"the data's first {min(samples, len(data))}")
    found = name_measurements(values, floor, ceiling, protocol)
    return Report(model=_architecture(gan), data=data.name, measurements=tuple(found))


def _protocol(gan: GAN, reference: Reference, samples: int, seed: int) -> Protocol:
    test = reference.test
    half_life = gan.config.training.get("ema_half_life_images")
    return Protocol(
        samples=samples,
        reference=f"{len(test)} of {test.name}" + (", test split" if reference.train is not None else ""),
        floor="none",
        ceiling="none" if untrained(gan) is None else f"{samples} samples of an untrained {_architecture(gan)}",
        seed=seed,
        batch_size=BATCH_SIZE,
        quantisation=str(test.samples.dtype).removeprefix("torch."),
        labels=f"i % {gan.condition.num_classes}" if gan.condition.kind == "label" else "none",
        weights=f"EMA, half-life {half_life} images" if half_life else "as given",
        versions=f"ganzoo {ganzoo.__version__}, torch {torch.__version__}",
    )


def _cache_key(reference: Reference, protocol: Protocol) -> dict[str, object]:
    """Return what real data's numbers depend on, but for metrics and extractor."""
    return {
        "version": _CACHE_VERSION,
        "versions": protocol.versions,
        "test": reference.test.fingerprint(),
        "train": None if reference.train is None else reference.train.fingerprint(),
        "samples": protocol.samples,
        "batch_size": protocol.batch_size,
    }


def _identity(untrained_model: GAN, seed: int) -> dict[str, object]:
    """Return what an untrained generator's numbers depend on besides."""
    network = untrained_model.config.networks["generator"]
    return {"architecture": network.architecture, "args": network.args, "provider": network.provider, "seed": seed}


def _architecture(gan: GAN) -> str:
    network = gan.config.networks.get("generator")
    return type(gan.generator).__name__ if network is None else network.architecture


def _checked(metrics: Collection[str]) -> tuple[str, ...]:
    """Return the names in one order, or refuse an unknown one."""
    for name in metrics:
        if name not in METRICS:
            raise UnknownNameError(
                f"no metric is named {name!r}{did_you_mean(name, METRICS)}; use {', '.join(METRICS)}"
            )
    return tuple(name for name in METRICS if name in metrics)
