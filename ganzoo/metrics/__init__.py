"""What a set of samples is worth, with the protocol stamped on every number; this registers the bundled judges."""

from typing import TYPE_CHECKING

from ganzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from ganzoo.registry import Registry


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the bundled judges, two for each data set."""
    for name, network, data, summary in (
        ("judge-mnist", "plain", "mnist", "digits by strided convolutions, 28x28 grey"),
        ("judge-mnist-b", "residual", "mnist", "digits by residual blocks, 28x28 grey"),
        ("judge-fashion", "plain", "fashion", "articles of clothing by strided convolutions, 28x28 grey"),
        ("judge-fashion-b", "residual", "fashion", "articles of clothing by residual blocks, 28x28 grey"),
    ):
        registry.judge(
            name,
            f"ganzoo.metrics.networks:{network}",
            f"ganzoo.metrics:judges/{name}.safetensors",
            summary=summary,
            data=data,
        )
