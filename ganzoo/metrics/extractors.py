"""Which networks look at which pictures."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ganzoo import plugins
from ganzoo.data.table import Table
from ganzoo.errors import InputError, UnknownNameError
from ganzoo.metrics import inception
from ganzoo.metrics.features import Extractor
from ganzoo.metrics.judge import describe_judge, load_judge


def load_extractors(features: str | Sequence[str] | None, data: Table) -> list[Extractor]:
    """Load the networks that samples and data are looked at with.

    Args:
        features: Their names, of judges or `"inception-v3-compat"`; None for all judges of the data, which is known by
            how its name begins, or by its folder's: `mnist...` or `fashion...` for the bundled ones, whatever the case.
            Plugins' judges count only where there is no bundled one.
        data: What they shall look at.

    Raises:
        InputError: No judge is known for the data, or pictures are not of a judge's shape.
        UnknownNameError: Nothing has a name that was given.
        AmbiguousNameError: Several plugins have a judge of a name that was given.
        MissingExtraError: Inception was asked for, and torch-fidelity is not installed.
        SourceError: Inception's weights cannot be downloaded.
        WeightsError: A judge's files are damaged.
        PluginError: A judge's network cannot be made.
    """
    names = _default_names(data) if features is None else (features,) if isinstance(features, str) else tuple(features)
    for name in names:
        shape = None if name == inception.NAME else _input_shape(name)
        if data.samples.dtype != torch.uint8 or shape not in (None, data.sample_shape):
            size = f" of shape {shape}, and never resizes them" if shape else ""
            raise InputError(
                f"{name} looks at uint8 pictures{size}, but {data.name} holds {data.samples.dtype} of shape "
                f"{data.sample_shape}; use {_choices()}, whichever fits"
            )
    return [inception.load_inception() if name == inception.NAME else load_judge(name) for name in names]


def _input_shape(name: str) -> tuple[int, ...]:
    try:
        return describe_judge(plugins.find("judge", name)).input_shape
    except UnknownNameError as error:
        raise UnknownNameError(f"{error} Features of the Inception network are {inception.NAME!r}.") from error


def _default_names(data: Table) -> tuple[str, ...]:
    judges = plugins.entries("judge")
    # torchvision keeps files in NAME/raw.
    folders = [part for part in Path(data.source or "").parent.parts[-2:] if part != "raw"]
    for name in (data.name, *reversed(folders)):
        fitting = [judge for judge in judges if judge.info["data"] and name.lower().startswith(judge.info["data"])]
        # Installing a plugin changes no number that there is without it.
        bundled = [judge for judge in fitting if judge.provider.namespace is None]
        if fitting:
            return tuple(judge.full_name for judge in bundled or fitting)
    raise InputError(f"no judge is known for the data {data.name!r}; choose features from {_choices()}")


def _choices() -> str:
    return ", ".join([*(judge.full_name for judge in plugins.entries("judge")), inception.NAME])
