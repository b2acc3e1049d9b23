"""Which networks look at which pictures."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ganzoo.data.table import Table
from ganzoo.errors import InputError, UnknownNameError, did_you_mean
from ganzoo.metrics import inception
from ganzoo.metrics.features import Extractor
from ganzoo.metrics.judge import load_judge
from ganzoo.metrics.networks import SIZE
from ganzoo.metrics.recipes import RECIPES

NAMES = (*RECIPES, inception.NAME)

# By what the data's name begins with.
DEFAULTS = {"mnist": ("judge-mnist", "judge-mnist-b"), "fashion": ("judge-fashion", "judge-fashion-b")}


def load_extractors(features: str | Sequence[str] | None, data: Table) -> list[Extractor]:
    """Load the networks that samples and data are looked at with.

    Args:
        features: Their names; None for both judges of the data, which is known by how its name begins, or by its
            folder's: `mnist...` or `fashion...`, whatever the case.
        data: What they shall look at.

    Raises:
        InputError: No judge is known for the data, or pictures are not of a judge's size.
        UnknownNameError: A name is none of `NAMES`.
        MissingExtraError: Inception was asked for, and torch-fidelity is not installed.
        SourceError: Inception's weights cannot be downloaded.
        WeightsError: A judge's weights are damaged.
    """
    names = _default_names(data) if features is None else (features,) if isinstance(features, str) else tuple(features)
    for name in names:
        if name not in NAMES:
            raise UnknownNameError(f"no features are named {name!r}{did_you_mean(name, NAMES)}; use {_choices()}")
        if data.samples.dtype != torch.uint8 or (name in RECIPES and data.sample_shape != (1, SIZE, SIZE)):
            raise InputError(
                f"{name} looks at uint8 pictures{_size(name)}, but {data.name} holds "
                f"{data.samples.dtype} of shape {data.sample_shape}; use {_choices()}, whichever fits"
            )
    return [inception.load_inception() if name == inception.NAME else load_judge(name) for name in names]


def _default_names(data: Table) -> tuple[str, ...]:
    # torchvision keeps files in NAME/raw.
    folders = [part for part in Path(data.source or "").parent.parts[-2:] if part != "raw"]
    for name in (data.name, *reversed(folders)):
        for beginning, names in DEFAULTS.items():
            if name.lower().startswith(beginning):
                return names
    raise InputError(f"no judge is known for the data {data.name!r}; choose features from {_choices()}")


def _size(name: str) -> str:
    return f" of shape (1, {SIZE}, {SIZE}), and never resizes them" if name in RECIPES else ""


def _choices() -> str:
    return ", ".join(NAMES)
