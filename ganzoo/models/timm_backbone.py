"""`timm`: any of timm's backbones as a discriminator (https://github.com/huggingface/pytorch-image-models).

A backbone's feature levels each get a small head: a 3x3 convolution, leaky ReLU 0.2, and a 1x1 convolution to a logit
at each position. The logit of a picture is the mean over positions, and then over levels. A label is taken by
projection (Miyato & Koyama 2018, equation 4, arXiv 1802.05637): its embedding's inner product with each head's hidden
features, averaged over positions, is added. A source picture is concatenated to the sample (Isola et al. 2017).

A pretrained backbone is meant for pictures normalized by its own mean and standard deviation, so these are saved with
the weights, and applied to what comes in [-1, 1]. timm fits its first layer to other than three channels by adding up
or repeating its weights; a sample or source that has not three channels is normalized by the means over colours.
"""

import textwrap
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ganzoo.errors import ConfigError, InputError, WeightsError, did_you_mean
from ganzoo.models.architecture import Architecture, Condition, Discriminator, weights_are_coming
from ganzoo.models.condition import as_rows
from ganzoo.models.dcgan import picture_arguments
from ganzoo.models.roles import CHANNELS, CLASSES, SOURCE, Role, layers_in_order, of_inputs

# A level that is chosen for the caller has this many positions a side, if there is one.
ENOUGH_POSITIONS = 4


@dataclass(frozen=True, kw_only=True)
class TimmConfig:
    """What a `timm` discriminator is made of."""

    image_size: int | tuple[int, int] = 64  # (height, width); an int means square
    channels: int = 3
    num_classes: int = 0  # labels, taken by projection; or
    source_channels: int = 0  # those of a source picture of the same size; at most one of the two is above 0
    backbone: str = "resnet18"  # a name of timm's, such as convnext_atto or resnet18.a1_in1k
    feature_levels: tuple[int, ...] = ()  # timm's levels that get heads, 0 is shallowest; none: the deepest with 4x4
    backbone_pretrained: bool = False  # fetch timm's weights for it
    freeze_backbone: bool = False  # only the heads learn
    head_channels: int = 128  # hidden channels of each head

    def __post_init__(self) -> None:
        limits = {
            "channels": (1, 64),
            "num_classes": (0, 2**16),
            "source_channels": (0, 64),
            "head_channels": (1, 4096),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"timm: {name} is {getattr(self, name)}; it takes a whole number from {low} to {high}"
                )
        if self.num_classes and self.source_channels:
            raise ConfigError(
                f"timm: num_classes is {self.num_classes} and source_channels is {self.source_channels}; at most one "
                "of the two takes a number above 0"
            )
        if not 1 <= min(self.size) <= max(self.size) <= 1024:
            raise ConfigError(f"timm: image_size is {self.size[0]}x{self.size[1]}; each side takes 1 to 1024 pixels")
        if list(self.feature_levels) != sorted({level for level in self.feature_levels if 0 <= level < 1000}):
            raise ConfigError(
                f"timm: feature_levels is {str(self.feature_levels)[:100]}; it takes whole numbers from 0, each above "
                "the one before"
            )

    @property
    def size(self) -> tuple[int, int]:
        """The picture's (height, width)."""
        return self.image_size if isinstance(self.image_size, tuple) else (self.image_size, self.image_size)


@dataclass(frozen=True)
class Levels:
    """What timm says of a backbone's feature levels, shallow to deep.

    Attributes:
        channels: The channels of each.
        reductions: How many times smaller than the picture's each side is.
    """

    channels: tuple[int, ...]
    reductions: tuple[int, ...]

    def chosen(self, config: TimmConfig) -> tuple[int, ...]:
        """Return the levels that get heads.

        Raises:
            ConfigError: There is no such level, or the pictures are too small for it.
        """
        side = min(config.size)
        levels = config.feature_levels
        if not levels:
            large = [k for k, reduction in enumerate(self.reductions) if reduction * ENOUGH_POSITIONS <= side]
            finest = [k for k, reduction in enumerate(self.reductions) if reduction == min(self.reductions)]
            levels = (max(large or finest),)
        if levels[-1] >= len(self.reductions):
            raise ConfigError(
                f"timm: feature_levels is {config.feature_levels}; {config.backbone} has levels 0 to "
                f"{len(self.reductions) - 1}"
            )
        coarsest = max(levels, key=lambda k: self.reductions[k])
        if self.reductions[coarsest] > side:
            fitting = [str(k) for k, reduction in enumerate(self.reductions) if reduction <= side]
            advice = f"take feature_levels from {', '.join(fitting)}, or " if fitting else "take "
            raise ConfigError(
                f"timm: level {coarsest} of {config.backbone} has one position for {self.reductions[coarsest]} pixels "
                f"a side, and the pictures are {config.size[0]}x{config.size[1]}; {advice}pictures of at least "
                f"{self.reductions[coarsest]} pixels a side"
            )
        return levels


def backbone_arguments(config: TimmConfig) -> dict[str, Any]:
    """Return what timm is asked for, but for levels and weights.

    Raises:
        ConfigError: timm has no such backbone.
    """
    import timm

    name = config.backbone
    base = name.partition(".")[0]
    if not timm.is_model(base):
        raise ConfigError(f"timm: timm.list_models() has no {name[:80]!r}{did_you_mean(base[:80], timm.list_models())}")
    try:
        described = timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:
        tagged = timm.list_models(f"{base}.*", pretrained=True)
        raise ConfigError(
            f"timm: {base} has no weights {name[:80]!r}{did_you_mean(name[:80], tagged)}; it has "
            f"{', '.join(tagged) or 'none'}"
        ) from error
    arguments = {"model_name": name, "features_only": True, "in_chans": config.channels + config.source_channels}
    if described is not None and described.fixed_input_size:
        arguments["img_size"] = config.size
    return arguments


def levels_of(config: TimmConfig) -> Levels:
    """Return what timm says of the backbone's feature levels.

    Raises:
        ConfigError: There is no such backbone, or it gives no features.
    """
    import timm

    arguments = backbone_arguments(config)
    try:
        with torch.device("meta"):
            features: Any = timm.create_model(**arguments).feature_info
            return Levels(
                tuple(features[k]["num_chs"] for k in range(len(features))),
                tuple(features[k]["reduction"] for k in range(len(features))),
            )
    except Exception as error:
        raise ConfigError(
            f"timm: {config.backbone} gives no feature levels for {config.size[0]}x{config.size[1]} pictures "
            f"({_reason(error)}); take another backbone, such as resnet18, or another size"
        ) from error


def build_backbone(config: TimmConfig, levels: tuple[int, ...]) -> nn.Module:
    """Build the backbone up to its deepest level of interest, with pretrained weights if asked and needed.

    Raises:
        ConfigError: It cannot take these pictures.
        WeightsError: Its pretrained weights cannot be fetched.
    """
    import timm

    arguments = backbone_arguments(config) | {"out_indices": levels}
    if config.backbone_pretrained and not weights_are_coming():
        try:
            backbone = timm.create_model(**arguments, pretrained=True)
        except Exception as error:
            raise WeightsError(
                f"timm: the pretrained weights of {config.backbone} cannot be fetched ({_reason(error)}); connect to "
                "the network, or set backbone_pretrained to false"
            ) from error
    else:
        backbone = timm.create_model(**arguments)
    _try(backbone, config)
    return backbone


def _try(backbone: nn.Module, config: TimmConfig) -> None:
    """Refuse pictures that a new backbone fails on; one on the meta device is loaded, and was tried when new."""
    parameter = next(backbone.parameters())
    if parameter.is_meta:
        return
    try:
        with torch.no_grad():
            shape = (1, config.channels + config.source_channels, *config.size)
            backbone.eval()(torch.zeros(shape, device=parameter.device))
    except Exception as error:
        raise ConfigError(
            f"timm: {config.backbone} cannot take {config.size[0]}x{config.size[1]} pictures ({_reason(error)}); take "
            "larger ones, or lower feature_levels"
        ) from error
    backbone.train()


def _reason(error: Exception) -> str:
    """Return an error of timm's as one short line."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", 160, placeholder="...").removesuffix(":")


class Normalize(nn.Module):
    """Bring pictures from [-1, 1] to the mean and standard deviation that a backbone knows: (N, C, H, W) -> same."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: list[float], std: list[float]) -> None:
        """Build it from one mean and standard deviation of pictures in [0, 1] for each channel."""
        super().__init__()
        middle, deviation = torch.tensor(mean), torch.tensor(std)
        self.register_buffer("scale", 0.5 / deviation)
        self.register_buffer("shift", (0.5 - middle) / deviation)

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift each channel of (N, C, H, W)."""
        return x * self.scale[:, None, None].to(x.dtype) + self.shift[:, None, None].to(x.dtype)


def per_channel(colours: tuple[float, ...], channels: int) -> list[float]:
    """Return a number for each channel: those of the colours if they are as many, and else their mean."""
    return list(colours) if len(colours) == channels else [sum(colours) / len(colours)] * channels


def attention_for(sample: Tensor) -> AbstractContextManager[None]:
    """Have attention computed in a way that fits what is asked of the samples.

    A penalty on the gradient at the samples differentiates twice, which only the plain computation allows: torch's
    fused ones have no second derivative.
    """
    return sdpa_kernel(SDPBackend.MATH) if sample.requires_grad and torch.is_grad_enabled() else nullcontext()


class Head(nn.Module):
    """From one feature level (N, inputs, h, w) to logits (N,)."""

    def __init__(self, inputs: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), nn.LeakyReLU(0.2))
        self.output = nn.Conv2d(width, 1, 1)
        # On one-hot rows a linear map without bias is an embedding.
        self.embedding = nn.Linear(num_classes, width, bias=False) if num_classes else None

    def forward(self, level: Tensor, rows: Tensor | None) -> Tensor:
        """Map features (N, inputs, h, w) and one-hot labels (N, num_classes) to logits (N,)."""
        hidden = self.hidden(level)
        logits: Tensor = self.output(hidden).mean(dim=(1, 2, 3))
        if self.embedding is not None and rows is not None:
            logits = logits + (self.embedding(rows) * hidden.mean(dim=(2, 3))).sum(dim=1)
        return logits


class TimmDiscriminator(Discriminator):
    """A backbone of timm's, and a head on each of its chosen feature levels."""

    def __init__(self, config: TimmConfig) -> None:
        super().__init__()
        self.sample_shape = (config.channels, *config.size)
        self.condition = (
            Condition.image((config.source_channels, *config.size))
            if config.source_channels
            else Condition.label(config.num_classes)
        )
        known = levels_of(config)
        self.levels = known.chosen(config)
        self.backbone = build_backbone(config, self.levels)
        self.backbone.requires_grad_(not config.freeze_backbone)
        self.channels_come_last = getattr(self.backbone, "output_fmt", "NCHW") == "NHWC"
        self.normalize: nn.Module = nn.Identity()
        if config.backbone_pretrained:
            described: Any = self.backbone.pretrained_cfg
            parts = [channels for channels in (config.source_channels, config.channels) if channels]
            mean, std = (
                [value for channels in parts for value in per_channel(described[key], channels)]
                for key in ("mean", "std")
            )
            self.normalize = Normalize(mean, std)
        self.heads = nn.ModuleList(
            Head(known.channels[level], config.head_channels, config.num_classes) for level in self.levels
        )

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the backbone's chosen levels (N, C, h, w), shallow to deep."""
        if self.condition.kind == "image":
            if condition is None:
                raise InputError(f"this discriminator needs {self.condition} for each sample; pass the images")
            sample = torch.cat([condition.to(sample.dtype), sample], dim=1)
        with attention_for(sample):
            levels = self.backbone(self.normalize(sample))
        return tuple(level.permute(0, 3, 1, 2) if self.channels_come_last else level for level in levels)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map pictures (N, channels, height, width), and labels (N,) or sources, to logits (N,)."""
        rows = None
        if self.condition.kind == "label" and condition is not None:
            rows = as_rows(condition, self.condition, sample.dtype)
        levels = self.features(sample, condition)
        logits = [head(level, rows) for head, level in zip(self.heads, levels, strict=True)]
        return torch.stack(logits).mean(dim=0)

    def lower_layers(self) -> tuple[nn.Module, ...]:
        """Return the backbone's layers, as `ganzoo.models.roles.layers_in_order` finds them; heads are never frozen."""
        return layers_in_order(self.backbone)

    def tensor_roles(self) -> dict[str, Role]:
        """The backbone's first layer sees the source beside the picture, and heads may embed a label."""
        source = self.condition.shape[0] if self.condition.kind == "image" else 0
        seen, roles = {SOURCE: (source,), CHANNELS: (self.sample_shape[0],)}, {}
        for key, parameter in self.backbone.named_parameters():
            if parameter.ndim > 1 and parameter.shape[1] == source + self.sample_shape[0]:
                roles[f"backbone.{key}"] = of_inputs(f"backbone.{key}", seen)
                break
        for number, level in enumerate(self.levels):  # the heads of one level are the same wherever they stand
            for key in self.heads[number].state_dict():
                roles[f"heads.{number}.{key}"] = Role(f"head of level {level}.{key}")
            name = f"heads.{number}.embedding.weight"
            if name in roles:
                roles[name] = of_inputs(f"head of level {level}.embedding", {CLASSES: (self.condition.num_classes,)})
        return roles


def arguments_for(sample_shape: tuple[int, ...], condition: Condition) -> dict[str, Any]:
    """Fit the config to data.

    Raises:
        ConfigError: The samples are not pictures, or their sources have another size.
    """
    arguments = picture_arguments("timm", sample_shape)
    if condition.kind != "image":
        return {**arguments, "num_classes": condition.num_classes}
    if condition.shape[1:] != arguments["image_size"]:
        height, width = arguments["image_size"]
        raise ConfigError(
            f"timm: the sources are {condition.shape[1]}x{condition.shape[2]} and the pictures {height}x{width}; they "
            "need one size, so resize the sources"
        )
    return {**arguments, "source_channels": condition.shape[0]}


TIMM = Architecture(
    TimmConfig,
    {"discriminator": TimmDiscriminator},
    arguments_for,
    {"discriminator": ("none", "label", "image")},
)
