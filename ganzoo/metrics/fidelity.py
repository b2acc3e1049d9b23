"""Distances between two sets of features, computed by torch-fidelity.

Fréchet distance (Heusel et al. 2017, https://arxiv.org/abs/1706.08500), kernel distance (Bińkowski et al. 2018,
https://arxiv.org/abs/1801.01401), precision and recall (Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991).
"""

import functools
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ganzoo.errors import InputError, MissingExtraError

KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
NEIGHBOURS = 3  # the k of precision and recall

# Rows of a distance matrix held at a time: with 10,000 samples on the other side, 80 MB.
_ROWS = 2000

_PASS_THROUGH = "ganzoo-features"

# What torch-fidelity is asked for, and what it calls the answers.
_REQUESTS = {"frechet": "fid", "kid": "kid", "precision-recall": "prc"}
_ANSWERS = {
    "frechet": "frechet_inception_distance",
    "kid": "kernel_inception_distance_mean",
    "kid_deviation": "kernel_inception_distance_std",
    "precision": "precision",
    "recall": "recall",
}


def compare(generated: Tensor, real: Tensor, metrics: Collection[str] = tuple(_REQUESTS)) -> dict[str, float]:
    """Compare two sets of features.

    Args:
        generated: (N, D) float32, with N above D for `frechet`.
        real: (M, D) float32, with M above D for `frechet`.
        metrics: Of `frechet`, `kid` and `precision-recall`.

    Returns:
        By name: `frechet`, at least 0 but for rounding; `kid`, which may be negative, and `kid_deviation`, the mean and
        standard deviation over 100 subsets of `kid_subset_size`, which is 1000, or all rows of the smaller side;
        `precision`, the share of generated rows near a real one, and `recall`, the share of real rows near a generated
        one, in [0, 1].

    Raises:
        InputError: There are too few rows.
        MissingExtraError: torch-fidelity is not installed.
    """
    wanted = {option: name in metrics for name, option in _REQUESTS.items()}
    if not any(wanted.values()):
        return {}
    fewest, dimension = min(len(generated), len(real)), real.shape[1]
    needed = dimension + 1 if wanted["fid"] else NEIGHBOURS + 1
    if fewest < needed:
        names = " and ".join(name for name, option in _REQUESTS.items() if wanted[option])
        raise InputError(
            f"{len(generated)} samples against {len(real)} real ones are too few for {names} on {dimension} features; "
            f"use at least {needed} of each"
        )
    subset_size = min(KID_SUBSET_SIZE, fewest)
    answers = _torch_fidelity(
        input1=_Rows(generated),
        input2=_Rows(real),
        feature_extractor=_register_pass_through(),
        cuda=False,
        cache=False,
        verbose=False,
        save_cpu_ram=True,
        batch_size=len(real),
        kid_subsets=KID_SUBSETS,
        kid_subset_size=subset_size,
        prc_neighborhood=NEIGHBOURS,
        prc_batch_size=_ROWS,
        **wanted,
    )
    found = {name: float(answers[key]) for name, key in _ANSWERS.items() if key in answers}
    return found | ({"kid_subset_size": float(subset_size)} if wanted["kid"] else {})


def fidelity_version() -> str:
    """Return the version of torch-fidelity.

    Raises:
        MissingExtraError: It is not installed.
    """
    import_fidelity()
    try:
        return version("torch-fidelity")
    except PackageNotFoundError:
        return "unknown"


def import_fidelity() -> Any:
    """Import torch-fidelity.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import torch_fidelity
    except ImportError as error:
        raise MissingExtraError(
            'evaluating pictures needs torch-fidelity, which is not installed; run: pip install "torch-ganzoo[eval]"'
        ) from error
    return torch_fidelity


def _torch_fidelity(**options: Any) -> Mapping[str, float]:
    # Its data loaders draw from the global generator, which is the caller's.
    with torch.random.fork_rng(devices=()):
        result: Mapping[str, float] = import_fidelity().calculate_metrics(**options)
    return result


class _Rows(Dataset[Tensor]):
    """A matrix as the data set of its rows."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, index: int) -> Tensor:
        return self.matrix[index]


@functools.cache
def _register_pass_through() -> str:
    """Register an extractor that returns its input: features are extracted once and serve other numbers too."""
    fidelity = import_fidelity()
    base: Any = fidelity.FeatureExtractorBase

    class PassThrough(base):  # type: ignore[misc]
        def __init__(self, name: str, features_list: list[str], **options: object) -> None:
            super().__init__(name, features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("given",)

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "given"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        def forward(self, rows: Tensor) -> tuple[Tensor]:
            return (rows,)

    fidelity.register_feature_extractor(_PASS_THROUGH, PassThrough)
    return _PASS_THROUGH
