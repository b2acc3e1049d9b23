"""A ganzoo plugin: outlines and colours of OpenMoji as paired data, a judge of them, a model that colours outlines."""

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo.registry import Registry

GANZOO_PLUGIN_API = 1


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the two parts of the data, the judge and the model."""
    for name, summary in (
        ("openmoji", "1,442 emoji for training: black outline and colour, 64x64 pixels"),
        ("openmoji-test", "208 emoji held out, no variant of which is in the training part"),
    ):
        function = name.replace("-", "_")
        registry.dataset(name, f"ganzoo_openmoji.data:{function}", summary=summary)
    registry.judge(
        "judge-openmoji",
        "ganzoo_openmoji.judge:Network",
        "ganzoo_openmoji:judges/judge-openmoji.safetensors",
        summary="ten groups of emoji in colour, 64x64",
        data="openmoji",
    )
    registry.pretrained(
        "pix2pix-openmoji",
        "ganzoo_openmoji:pretrained/pix2pix-openmoji",
        summary="colours for the outlines of emoji, 64x64",
        architecture="pix2pix",
        data="OpenMoji",
    )
