"""Hold `cyclegan-openmoji` against held-out emoji, beside copying the outline and `pix2pix-openmoji`.

Prints the README's table and writes its picture: python compare.py [FOLDER OF A MODEL]
"""

import sys
from pathlib import Path

import torch
from ganzoo_cyclegan.data import half_size
from PIL import Image
from torch import Tensor

import ganzoo
from ganzoo.data import render
from ganzoo.data.loading import open_data
from ganzoo.gan import GAN
from ganzoo.metrics.pairs import gradient_magnitude

SHOWN = 8  # every so many-th emoji is in the picture


def translated(gan: GAN, pictures: Tensor, network: str = "generator") -> Tensor:
    """Translate uint8 pictures (N, C, H, W) to uint8 pictures."""
    return gan.to_data(gan.translate(pictures.float() / 127.5 - 1, network=network))


def report(name: str, made: Tensor, wanted: Tensor) -> None:
    """Print the mean absolute difference in [0, 1], and the mean gradient magnitude over that of what was wanted."""
    error = (made.float() - wanted.float()).abs().mean().item() / 255
    ratio = (gradient_magnitude(made).mean() / gradient_magnitude(wanted).mean()).item()
    print(f"| {name} | {error:.4f} | {ratio:.3f} |")


def main() -> None:
    """Measure and draw."""
    gan = ganzoo.load(Path(sys.argv[1]) if sys.argv[1:] else "cyclegan-openmoji")
    other = ganzoo.load("pix2pix-openmoji")
    for part in ("openmoji-32-test", "openmoji-32"):
        table, whole = open_data(f"cyclegan/{part}"), open_data(f"openmoji/{part.replace('-32', '')}")
        rows = slice(0, 208)
        outlines, colours = table.sources[rows], table.samples[rows]
        print(f"\n{part}: {len(outlines)} emoji, 32x32 pixels\n\n| colours | absolute error | gradient ratio |")
        print("| --- | --- | --- |")
        made, paired = translated(gan, outlines), half_size(translated(other, whole.sources[rows]))
        for name, pictures in (
            ("the outline itself", outlines.expand_as(colours)),
            ("cyclegan-openmoji, without pairs", made),
            ("pix2pix-openmoji, with pairs, in half its size", paired),
        ):
            report(name, pictures, colours)
        print("\n| outlines | absolute error | gradient ratio |\n| --- | --- | --- |")
        back = translated(gan, colours, "generator_back")
        grey = colours.float().mean(1, keepdim=True).round().byte()
        report("white paper", torch.full_like(outlines, 255), outlines)
        report("the colours made grey", grey, outlines)
        report("cyclegan-openmoji, the way back", back, outlines)
        again = translated(gan, made, "generator_back")
        report("the same from its own colours", again, outlines)
        if part.endswith("test"):
            shown = [each[::SHOWN].float() / 127.5 - 1 for each in (outlines, made, paired, colours, back)]
            image = render.draw(render.beside(shown), scale=127.5, offset=127.5, columns=3)
            image.resize((2 * image.width, 2 * image.height), Image.Resampling.NEAREST).save("held-out.png")


if __name__ == "__main__":
    main()
