"""`progressive`: networks that grow from 4x4 pixels to full size (Karras et al. 2018, arXiv 1710.10196).

As in the paper: a stage is a resolution, each twice the one before; a new one is faded in, its picture or its features
mixed with what the stage before gives, over so many images, and then trained on for so many. Equalized learning rate,
pixel norm in the generator and on the latent, the minibatch's standard deviation in the discriminator's last block, 3x3
convolutions with leaky ReLU 0.2. Unlike it: all stages are there from the beginning, and a sample always has full size
(an earlier stage's pixels are repeated, and the discriminator averages what it is given down); the generator ends in
tanh; sides may be b * 2^k with b from 4 to 7; a label may be given, one-hot beside the latent, and as planes beside the
minibatch's deviation.

`ganzoo_progressive.growth` has the schedule, and `ganzoo_progressive.step` follows it.
"""

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.errors import ConfigError
from ganzoo.models.architecture import Architecture, Condition, Discriminator, Generator
from ganzoo_progressive.growth import Growing, ProgressiveConfig, average, repeat
from ganzoo_progressive.layers import LEAKY_RELU_GAIN, EqualizedConv2d, EqualizedLinear, MinibatchDeviation, PixelNorm
from ganzoo_progressive.step import ProgressiveStep


class ProgressiveGenerator(Growing, Generator):
    """A linear layer to the base's size, then a block for each stage; the newest one's output becomes the picture."""

    def __init__(self, config: ProgressiveConfig) -> None:
        super().__init__()
        self.begin_at(config)
        self.latent_dim = config.latent_dim
        self.sample_shape = (config.channels, *config.size)
        self.condition = Condition.label(config.num_classes)
        widths, (height, width) = config.widths, config.base
        self.blocks = nn.ModuleList()
        first = EqualizedLinear(config.latent_dim + config.num_classes, widths[0] * height * width, LEAKY_RELU_GAIN)
        self.blocks.append(
            nn.Sequential(
                first,
                nn.Unflatten(1, (widths[0], height, width)),
                nn.LeakyReLU(0.2),
                PixelNorm(),
                *convolved(widths[0], widths[0]),
            )
        )
        for inputs, outputs in itertools.pairwise(widths):
            self.blocks.append(
                nn.Sequential(nn.Upsample(scale_factor=2), *convolved(inputs, outputs), *convolved(outputs, outputs))
            )
        self.outputs = nn.ModuleDict(
            {str(stage): EqualizedConv2d(widths[stage], config.channels, 1) for stage in config.stages}
        )
        self.normalize = PixelNorm()

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) and labels (N,) to pictures (N, channels, height, width)."""
        hidden = previous = self.normalize(latent)
        if self.condition.kind == "label" and condition is not None:
            hidden = torch.cat([hidden, F.one_hot(condition, self.condition.num_classes).to(hidden.dtype)], dim=1)
        stage, alpha = self.position
        for block in self.blocks[: stage + 1]:
            previous, hidden = hidden, block(hidden)
        pictures: Tensor = self.outputs[str(stage)](hidden)
        if alpha < 1:
            pictures = torch.lerp(repeat(self.outputs[str(stage - 1)](previous), 1), pictures, alpha)
        return repeat(pictures.tanh(), self.config.last_stage - stage)


class ProgressiveDiscriminator(Growing, Discriminator):
    """The generator's mirror image: what averages pictures down to the newest stage, then a block for each stage."""

    def __init__(self, config: ProgressiveConfig) -> None:
        super().__init__()
        self.begin_at(config)
        self.sample_shape = (config.channels, *config.size)
        self.condition = Condition.label(config.num_classes)
        widths = config.widths
        self.inputs = nn.ModuleDict(
            {
                str(stage): nn.Sequential(
                    EqualizedConv2d(config.channels, widths[stage], 1, gain=LEAKY_RELU_GAIN), nn.LeakyReLU(0.2)
                )
                for stage in config.stages
            }
        )
        # The block of stage 1 comes first: each takes features of its stage to those of the one before.
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *convolved(inputs, inputs, normalize=False),
                *convolved(inputs, outputs, normalize=False),
                nn.AvgPool2d(2),
            )
            for outputs, inputs in itertools.pairwise(widths)
        )
        self.deviation = MinibatchDeviation()
        self.last = nn.Sequential(
            *convolved(widths[0] + 1 + config.num_classes, widths[0], normalize=False),
            EqualizedConv2d(widths[0], widths[0], config.base, gain=LEAKY_RELU_GAIN),  # sees all: (N, C, 1, 1)
            nn.LeakyReLU(0.2),
        )
        self.output = EqualizedLinear(widths[0], 1)

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the output (N, C, h, w) of each block of the stages so far, and of the last convolution."""
        stage, alpha = self.position
        halvings = self.config.last_stage - stage
        hidden = self.inputs[str(stage)](average(sample, halvings))
        outputs = []
        for number in range(stage, 0, -1):
            hidden = self.blocks[number - 1](hidden)
            if number == stage and alpha < 1:
                earlier = self.inputs[str(stage - 1)](average(sample, halvings + 1))
                hidden = torch.lerp(earlier, hidden, alpha)
            outputs.append(hidden)
        hidden = self.deviation(hidden)
        if self.condition.kind == "label" and condition is not None:
            planes = F.one_hot(condition, self.condition.num_classes).to(hidden.dtype)[:, :, None, None]
            hidden = torch.cat([hidden, planes.expand(-1, -1, *hidden.shape[2:])], dim=1)
        return (*outputs, self.last(hidden))

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map pictures (N, channels, height, width) and labels (N,) to logits (N,)."""
        logits: Tensor = self.output(self.features(sample, condition)[-1].flatten(1))
        return logits.squeeze(1)


def convolved(inputs: int, outputs: int, *, normalize: bool = True) -> list[nn.Module]:
    """Build a 3x3 convolution and what follows it; pixel norm in the generator alone."""
    layers: list[nn.Module] = [
        EqualizedConv2d(inputs, outputs, 3, padding=1, gain=LEAKY_RELU_GAIN),
        nn.LeakyReLU(0.2),
    ]
    return [*layers, PixelNorm()] if normalize else layers


def arguments_for(sample_shape: tuple[int, ...], condition: Condition) -> dict[str, Any]:
    """Fit the config to data.

    Raises:
        ConfigError: The samples are not pictures.
    """
    if len(sample_shape) != 3:
        raise ConfigError(
            f"progressive takes pictures (channels, height, width), and this data has samples of shape {sample_shape}; "
            "use the architecture 'mlp'"
        )
    channels, height, width = sample_shape
    return {"image_size": (height, width), "channels": channels, "num_classes": condition.num_classes}


PROGRESSIVE = Architecture(
    ProgressiveConfig,
    {"generator": ProgressiveGenerator, "discriminator": ProgressiveDiscriminator},
    arguments_for,
    {"generator": ("none", "label"), "discriminator": ("none", "label")},
    ProgressiveStep,
)
