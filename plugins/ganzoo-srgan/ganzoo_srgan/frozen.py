"""Frozen networks to look at pictures with: judges of ganzoo's, and pretrained backbones of timm's."""

import functools
import textwrap
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError, ObjectiveError, UnknownNameError, WeightsError, did_you_mean
from ganzoo.metrics.judge import load_judge


class JudgeLevels(nn.Module):
    """The deepest tensors (N, C, h, w) that a judge has of pictures at each resolution, finest first.

    What a judge normalises itself, values from 0 to 255, need not be whole numbers, so that gradients pass.
    """

    def __init__(self, judge: nn.Module, shape: tuple[int, int, int]) -> None:
        """Find the levels.

        Args:
            judge: The judge's network.
            shape: Of the pictures that it will look at, (C, H, W).
        """
        super().__init__()
        self.judge = judge
        self._seen: dict[str, Tensor] = {}
        hooks = [each.register_forward_hook(self._noting(name)) for name, each in judge.named_modules() if name]
        parameter = next(judge.parameters())
        with torch.no_grad():
            judge(torch.zeros(1, *shape, device=parameter.device))
        found: dict[tuple[int, ...], str] = {}
        for name, output in self._seen.items():
            if output.dim() == 4 and output.shape[2:] != (1, 1):  # pooled over all positions
                found[tuple(output.shape[2:])] = name
        for hook in hooks:
            hook.remove()
        self._names = list(found.values())
        for name in self._names:
            judge.get_submodule(name).register_forward_hook(self._noting(name))

    def _noting(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(_: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                self._seen.pop(name, None)  # so that the order is that of the last calls
                self._seen[name] = output

        return note

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Look at pictures (N, C, H, W) in [-1, 1]."""
        self._seen.clear()
        self.judge((pictures.float() + 1) * 127.5)
        levels = tuple(self._seen[name] for name in self._names)
        self._seen.clear()
        return levels


class BackboneLevels(nn.Module):
    """The feature levels (N, C, h, w) of a backbone of timm's, for pictures normalised as it was trained on."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], channels: int) -> None:
        """Build it.

        Args:
            backbone: One made with `features_only`.
            mean: Of pictures in [0, 1], for each colour.
            std: Likewise.
            channels: Of the pictures; where they have not as many as there are colours, means over colours are taken.
        """
        super().__init__()
        self.backbone = backbone
        for name, values in (("mean", mean), ("std", std)):
            own = values if len(values) == channels else (sum(values) / len(values),) * channels
            self.register_buffer(name, torch.tensor(own)[:, None, None])

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Look at pictures (N, C, H, W) in [-1, 1]."""
        normalised = ((pictures.float() + 1) / 2 - self.mean) / self.std
        return tuple(self.backbone(normalised))


@functools.lru_cache(maxsize=8)
def frozen_network(name: str, deepest: int, shape: tuple[int, int, int], device: torch.device) -> nn.Module:
    """Return a network that maps pictures to feature levels: `network(pictures)[level]`; it is made once.

    Args:
        name: A judge's, or a backbone of timm's.
        deepest: The deepest level that is asked for.
        shape: Of the pictures, (C, H, W).
        device: Where they are.

    Raises:
        UnknownNameError: There is no judge and no backbone of this name.
        WeightsError: Its weights are damaged, or cannot be fetched.
        ObjectiveError: It cannot look at such pictures, or has no such level.
    """
    # Building draws from the global generator, on which a run's numbers may depend.
    with torch.random.fork_rng(devices=[]):
        build = _judge(name) or _backbone(name, deepest)
        try:
            network = build(shape).requires_grad_(False).eval().to(device)
            with torch.no_grad():
                levels = network(torch.zeros(1, *shape, device=device))
        except GanzooError:
            raise
        except Exception as error:  # a judge is anybody's module
            raise ObjectiveError(
                f"perceptual: {name} cannot look at pictures of shape {shape} ({_reason(error)}); take another "
                "network, one for such pictures"
            ) from error
    if deepest >= len(levels):
        has = f"the levels 0 to {len(levels) - 1}" if levels else "no level"
        raise ObjectiveError(
            f"perceptual: level is {deepest}, and {name} has {has} of pictures of shape {shape}; take one of these, or "
            "another network"
        )
    return network


def _judge(name: str) -> Callable[[tuple[int, int, int]], nn.Module] | None:
    """Return what makes the levels of a judge; None where no judge has this name."""
    try:
        judge = load_judge(name).network
    except UnknownNameError:
        return None
    if not isinstance(judge, nn.Module):
        raise ObjectiveError(f"perceptual: {name} is no network that gradients pass through; take another")
    return lambda shape: JudgeLevels(judge, shape)


def _backbone(name: str, deepest: int) -> Callable[[tuple[int, int, int]], nn.Module]:
    import timm

    base = name.partition(".")[0]
    if not timm.is_model(base):
        raise UnknownNameError(
            f"perceptual: no judge and no backbone of timm's is named {name[:80]!r}"
            f"{did_you_mean(base[:80], timm.list_models())}; take a judge, such as judge-mnist, or a name of "
            "timm.list_models(pretrained=True)"
        )

    def build(shape: tuple[int, int, int]) -> nn.Module:
        arguments: dict[str, Any] = {"features_only": True, "in_chans": shape[0]}
        try:
            backbone: Any = timm.create_model(name, pretrained=True, out_indices=tuple(range(deepest + 1)), **arguments)
        except (IndexError, AssertionError):  # it has fewer levels, all of which are had without out_indices
            backbone = timm.create_model(name, pretrained=True, **arguments)
        except Exception as error:
            raise WeightsError(
                f"perceptual: the pretrained weights of timm's {name} cannot be had ({_reason(error)}); connect to the "
                "network, or take a judge, such as judge-mnist"
            ) from error
        described = backbone.pretrained_cfg
        return BackboneLevels(backbone, described["mean"], described["std"], shape[0])

    return build


def _reason(error: Exception) -> str:
    return textwrap.shorten(f"{type(error).__name__}: {error}", 160, placeholder="...").removesuffix(":")
