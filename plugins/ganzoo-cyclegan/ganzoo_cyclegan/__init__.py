"""A ganzoo plugin: CycleGAN, which learns to translate pictures both ways without a single pair."""

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo.registry import Registry

GANZOO_PLUGIN_API = 1


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the architecture, the data and the model."""
    registry.architecture(
        "cyclegan",
        "ganzoo_cyclegan.architecture:CYCLEGAN",
        summary="translates pictures both ways, learned from unpaired pictures",
        paper="https://arxiv.org/abs/1703.10593",
    )
    for name, summary in (
        ("openmoji-32", "1,442 emoji for training: black outline and colour, 32x32 pixels"),
        ("openmoji-32-test", "208 emoji held out, no variant of which is in the training part"),
    ):
        registry.dataset(name, f"ganzoo_cyclegan.data:{name.replace('-', '_')}", summary=summary)
    registry.pretrained(
        "cyclegan-openmoji",
        "ganzoo_cyclegan:pretrained/cyclegan-openmoji",
        summary="colours for the outlines of emoji, and outlines for colours, learned without pairs, 32x32",
        architecture="cyclegan/cyclegan",
        data="OpenMoji",
    )
