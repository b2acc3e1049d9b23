"""Architectures: one readable file each. This file only registers them, and imports nothing heavy."""

from typing import TYPE_CHECKING

from ganzoo.hookspecs import hookimpl
from ganzoo.published import read_published

if TYPE_CHECKING:
    from ganzoo.registry import Registry


@hookimpl
def ganzoo_register(registry: "Registry") -> None:
    """Register the built-in architectures and the bundled models."""
    registry.architecture(
        "mlp",
        "ganzoo.models.mlp:MLP",
        summary="fully connected networks for samples of any shape",
        paper="Goodfellow et al. 2014, arXiv 1406.2661",
    )
    registry.architecture(
        "dcgan",
        "ganzoo.models.dcgan:DCGAN",
        summary="strided convolutions and batch norm, pictures of 8 to 256 pixels",
        paper="Radford, Metz, Chintala 2015, arXiv 1511.06434",
    )
    registry.architecture(
        "cgan",
        "ganzoo.models.cgan:CGAN",
        summary="dcgan's networks, told a label or a vector, by concatenation or projection",
        paper="Mirza & Osindero 2014, arXiv 1411.1784; Miyato & Koyama 2018, arXiv 1802.05637",
    )
    registry.architecture(
        "pix2pix",
        "ganzoo.models.pix2pix:PIX2PIX",
        summary="a U-Net from pictures to pictures, and a discriminator of patches",
        paper="Isola et al. 2017, arXiv 1611.07004",
    )
    registry.architecture(
        "timm",
        "ganzoo.models.timm_backbone:TIMM",
        summary="any timm backbone as a discriminator",
        paper="Miyato & Koyama 2018, arXiv 1802.05637 (how it takes labels)",
    )
    published = read_published()
    for name, architecture, data, summary in (
        ("cgan-fashion", "cgan", "Fashion-MNIST", "articles of clothing of the kind asked for, 28x28"),
        ("cgan-mnist", "cgan", "MNIST", "handwritten digits of the kind asked for, 28x28"),
        ("dcgan-fashion", "dcgan", "Fashion-MNIST", "articles of clothing, 28x28"),
        ("dcgan-mnist", "dcgan", "MNIST", "handwritten digits, 28x28"),
        ("mlp-gaussian", "mlp", "gaussian-1d", "numbers from a normal distribution"),
        ("mlp-grid", "mlp", "grid", "points around 25 places on a grid"),
        ("mlp-mnist", "mlp", "MNIST", "handwritten digits, 28x28"),
        ("mlp-ring", "mlp", "ring", "points around 8 places on a circle"),
    ):
        registry.pretrained(
            name,
            f"ganzoo.pretrained:{name}",
            summary=summary,
            architecture=architecture,
            data=data,
            published=published.get(name),
        )
