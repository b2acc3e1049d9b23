"""What a generator that makes samples from images is given: one image or several, in any form."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ganzoo import sampling
from ganzoo.errors import InputError, given
from ganzoo.models.condition import condition_of, takes_any_size

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 2**22  # of a picture that is translated in its own size

Picture: TypeAlias = "str | os.PathLike[str] | Image.Image"
Source: TypeAlias = "Tensor | np.ndarray[Any, Any] | Picture | Sequence[Tensor | Picture]"


def find_translator(networks: Mapping[str, nn.Module], name: str) -> nn.Module:
    """Return the network of a name, which makes samples from images.

    Raises:
        InputError: There is no such network, or it is not conditioned on images.
    """
    generators = [each for each in networks if each.startswith("generator")]
    if name not in generators:
        raise InputError(f"this model has no generator {name!r}; it has {' and '.join(generators)}")
    condition = condition_of(networks[name])
    if condition.kind != "image":
        raise InputError(f"this model takes {condition} as its condition, not an image; use sample")
    return networks[name]


def read_images(translator: nn.Module, source: Source) -> tuple[Tensor, bool]:
    """Return images (N, C, H, W) as a network takes them, and whether one was given alone.

    Args:
        translator: The network.
        source: As `GAN.translate` takes it.

    Raises:
        InputError: The source does not fit the network.
        DataError: A picture cannot be read.
    """
    any_size = takes_any_size(translator)
    if isinstance(source, np.ndarray):
        source = sampling.as_tensor("the images", source, "numbers")
    if isinstance(source, Tensor):
        is_one = source.dim() == 3
        images = source[None] if is_one else source
    else:
        is_one = isinstance(source, str | bytes) or not isinstance(source, Sequence)
        fitted = [_read_image(translator, each) for each in ([source] if is_one else source)]  # type: ignore[union-attr]
        if sizes := sorted({f"{each.shape[2]}x{each.shape[1]}" for each in fitted})[1:]:
            raise InputError(
                f"pictures of different sizes ({sizes[0]} is one) were given to translate together, and this model "
                "keeps sizes; give them one at a time"
            )
        images = torch.stack(fitted) if fitted else torch.empty(0)
    if not images.dim() or not len(images):
        raise InputError("there is no picture to translate; give at least one")
    condition_of(translator).check(images, len(images), any_size=any_size)
    if any_size and images.shape[2] * images.shape[3] > MOST_PIXELS:
        raise InputError(
            f"a picture of {images.shape[3]}x{images.shape[2]} pixels was given to translate; it takes up to "
            f"{MOST_PIXELS:,} pixels, so give a part of it, or a smaller one"
        )
    return images, is_one


def _read_image(translator: nn.Module, picture: object) -> Tensor:
    """Return one picture as the network takes it, (C, H, W)."""
    from PIL import Image

    from ganzoo.data.pictures import source_from_picture

    condition, any_size = condition_of(translator), takes_any_size(translator)
    if isinstance(picture, Tensor):
        condition.check(picture[None], 1, any_size=any_size)
        return picture.cpu()
    if not isinstance(picture, str | os.PathLike | Image.Image):
        raise InputError(
            f"{given(picture)} was given to translate; it takes a tensor or an array, or PIL pictures or "
            "paths, one or a list of them"
        )
    channels, height, width = condition.shape
    return source_from_picture(picture, (channels, height, width), None if any_size else "stretch")[0]
