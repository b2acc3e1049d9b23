"""Data from anywhere -> one table; this module only registers the built-in data sets."""

from typing import TYPE_CHECKING

from ganzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from ganzoo.registry import Registry


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the built-in data sets."""
    registry.dataset("mnist-test", "ganzoo.data.bundled:mnist_test", summary="MNIST's 10,000 test digits, 28x28 grey")
    registry.dataset("gaussian-1d", "ganzoo.data.toy:gaussian_1d", summary="100,000 numbers from one Gaussian")
    registry.dataset("ring", "ganzoo.data.toy:ring", summary="100,000 points from 8 Gaussians on a circle")
    registry.dataset("grid", "ganzoo.data.toy:grid", summary="100,000 points from 25 Gaussians on a 5x5 grid")
