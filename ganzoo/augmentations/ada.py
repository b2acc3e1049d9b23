"""`ada`: as much augmentation as the discriminator's overfitting asks for (Karras et al. 2020, arXiv 2006.06676).

Each of these is done to a picture with probability p (appendix B; `blit`, `geometry` and `colour` scale p for a group):

- blit: a mirror, quarter turns, a shift by whole pixels up to an eighth of each side
- geometry: scaling by 2^(0.2 n) (n from N(0, 1)), a turn, stretching by 2^(0.2 n) in one direction and as much
  shrinking in the other, another turn, a shift by 0.125 n of each side
- colour: brightness, x + 0.2 n; contrast, x 2^(0.5 n); inverted luma; turned hue; saturation times 2^n

p follows r_t = E[sign(D(real))] (section 3), which rises from 0 to 1 as the discriminator overfits: every `every`
batches it goes up if r_t is above `target`, else down, in steps that take it from 0 to 1 in `rise` images.

Unlike the paper: no filtering of frequency bands, added noise or cutout, which section 2.3 found to be of little
use. Pictures are interpolated with bicubic weights instead of between wavelet filters at twice the size: for small
pictures those reach over half of it. Pictures that are not square are turned by halves instead of quarters.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.augmentations.augmentation import Augmentation, State, colours, normal, uniform
from ganzoo.augmentations.resampling import rotation, scaling, translation, warped
from ganzoo.errors import ConfigError
from ganzoo.losses.checks import check_numbers
from ganzoo.losses.objective import name_of
from ganzoo.losses.term import AdversarialLoss
from ganzoo.models.condition import Condition


@dataclass(frozen=True)
class AdaptiveAugmentation(Augmentation):
    """Blits, geometry and colours, with a probability that adapts.

    Of grey pictures luma is all there is: they are inverted, and have no hue and saturation. Alpha keeps its values.
    """

    target: float = 0.6  # of r_t
    rise: int = 500_000  # how many images take p from 0 to 1; 0: it stays
    every: int = 4  # batches of the discriminator between two changes of p
    p: float = 0.0  # at the start
    blit: float = 1.0
    geometry: float = 1.0
    colour: float = 1.0

    def __post_init__(self) -> None:
        parts = {"p": self.p, "blit": self.blit, "geometry": self.geometry, "colour": self.colour}
        check_numbers("ada", target=self.target, **parts)
        for name, value in parts.items():
            if not 0 <= value <= 1:
                raise ConfigError(f"ada: {name} is {value}; it takes a number from 0 to 1")
        if not -1 < self.target < 1:
            raise ConfigError(f"ada: target is {self.target}; it takes a number above -1 and below 1, such as 0.6")
        if type(self.rise) is not int or type(self.every) is not int or self.rise < 0 or self.every < 1:
            raise ConfigError(
                f"ada: rise is {self.rise} and every is {self.every}; it takes whole numbers, rise >= 0 images and "
                "every >= 1 batches"
            )

    def check(self, name: str, sample_shape: tuple[int, ...], source: Condition, loss: AdversarialLoss) -> None:
        """Refuse what is no picture, and a loss for which the sign of a logit says nothing."""
        super().check(name, sample_shape, source, loss)
        if self.rise and loss.undecided_logit is None:
            raise ConfigError(
                f"augment: {name} follows how many real samples the discriminator takes for real, and {name_of(loss)} "
                f"only compares logits; use a loss such as non_saturating or hinge, or a p that stays, such as "
                f"'{name}(p=0.3, rise=0)'"
            )

    def initial_state(self) -> State:
        """Return p, and the counts that its next change is based on."""
        counts = {name: torch.tensor(0) for name in ("signs", "logits", "images", "batches")}
        return {"p": torch.tensor(self.p, dtype=torch.float64), "r_t": torch.tensor(0.0, dtype=torch.float64), **counts}

    def observed(self, state: State, real_logits: Tensor) -> State:
        """Count the signs of logits, and change p when it is due."""
        if not self.rise:
            return state
        state = {
            **state,
            "signs": state["signs"].to(real_logits.device) + real_logits.sign().long().sum(),
            "logits": state["logits"] + real_logits.numel(),
            "images": state["images"] + len(real_logits),
            "batches": state["batches"] + 1,
        }
        if state["batches"] < self.every:
            return state
        r_t = state["signs"].cpu().double() / state["logits"]
        step = (r_t - self.target).sign() * state["images"] / self.rise
        return {**self.initial_state(), "p": (state["p"] + step).clamp(0.0, 1.0), "r_t": r_t}

    def numbers(self, state: Mapping[str, Tensor], images: int) -> State:
        """Return p, and r_t as it was when p was changed last."""
        return {"augment_p": state["p"], **({"augment_r_t": state["r_t"]} if self.rise else {})}

    def augment(
        self, samples: Tensor, source: Tensor | None, rng: torch.Generator, *, state: Mapping[str, Tensor], images: int
    ) -> tuple[Tensor, Tensor | None]:
        """Change some samples, and move the pixels of their sources along."""
        p = float(state["p"])
        if p == 0:
            return samples, source
        count, size = len(samples), samples.shape[2:]
        maps = self._geometry(p * self.geometry, rng, count, size) @ self._blit(p * self.blit, rng, count, size)
        together = samples if source is None else torch.cat([source, samples], dim=1)
        if len(rows := _changed(maps)):
            places = rows.to(samples.device)
            together = together.index_copy(0, places, warped(together.index_select(0, places), maps[rows]))
        if source is not None:
            source, samples = together[:, : source.shape[1]], together[:, source.shape[1] :]
        else:
            samples = together
        return self._recoloured(samples, p * self.colour, rng), source

    def _blit(self, p: float, rng: torch.Generator, count: int, size: torch.Size) -> Tensor:
        height, width = size
        mirror, mirrored, turn, turned, shift, right, down = uniform(rng, count, 7)
        maps = _sometimes(mirror < p, scaling(1 - 2 * (mirrored * 2).floor(), torch.ones_like(mirror)))
        quarters = (turned * 4).floor() if height == width else (turned * 2).floor() * 2
        maps = _sometimes(turn < p, rotation(quarters * math.pi / 2)) @ maps
        whole = [((draw - 0.5) * 0.25 * side).round() for draw, side in ((right, width), (down, height))]
        return _sometimes(shift < p, translation(*whole)) @ maps

    def _geometry(self, p: float, rng: torch.Generator, count: int, size: torch.Size) -> Tensor:
        height, width = size
        scale, first, before, stretch, second, after, shift = uniform(rng, count, 7)
        sizes, shapes, right, down = normal(rng, count, 4)
        p_turn = 1 - math.sqrt(1 - p)  # so that one of both turns comes with probability p
        factors = torch.exp2(0.2 * sizes)
        maps = _sometimes(scale < p, scaling(factors, factors))
        maps = _sometimes(first < p_turn, rotation((2 * before - 1) * math.pi)) @ maps
        maps = _sometimes(stretch < p, scaling(torch.exp2(0.2 * shapes), torch.exp2(-0.2 * shapes))) @ maps
        maps = _sometimes(second < p_turn, rotation((2 * after - 1) * math.pi)) @ maps
        return _sometimes(shift < p, translation(0.125 * width * right, 0.125 * height * down)) @ maps

    def _recoloured(self, pictures: Tensor, p: float, rng: torch.Generator) -> Tensor:
        channels = colours(pictures.shape[1])
        maps = self._colour(p, rng, len(pictures), channels)
        if not len(rows := _changed(maps)):
            return pictures
        places, maps = rows.to(pictures.device), maps[rows].to(pictures.dtype).to(pictures.device)
        some = pictures.index_select(0, places)
        values = some[:, :channels].flatten(2)  # (n, channels, H * W)
        values = torch.baddbmm(maps[:, :-1, -1:], maps[:, :-1, :-1], values)
        changed = torch.cat([values.reshape_as(some[:, :channels]), some[:, channels:]], dim=1)
        return pictures.index_copy(0, places, changed)

    def _colour(self, p: float, rng: torch.Generator, count: int, channels: int) -> Tensor:
        """Return maps (N, channels + 1, channels + 1) of colours, in homogeneous coordinates."""
        brighten, contrast, invert, inverted, turn, turned, saturate = uniform(rng, count, 7)
        added, contrasts, saturations = normal(rng, count, 3)
        same = torch.eye(channels, dtype=torch.float64)
        # What takes a colour to its luma, along the axis of greys; a grey is its own.
        luma = torch.full_like(same, 1 / 3) if channels == 3 else same
        axis = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], dtype=torch.float64) / math.sqrt(3)

        maps = _sometimes(brighten < p, _linear(same.expand(count, -1, -1), 0.2 * added))
        maps = _sometimes(contrast < p, _linear(same * _each(torch.exp2(0.5 * contrasts)))) @ maps
        maps = _sometimes(invert < p, _linear(same - 2 * _each((inverted * 2).floor()) * luma)) @ maps
        if channels != 3:
            return maps
        angle = _each((2 * turned - 1) * math.pi)
        maps = _sometimes(turn < p, _linear(luma + angle.cos() * (same - luma) + angle.sin() * axis)) @ maps
        return _sometimes(saturate < p, _linear(luma + _each(torch.exp2(saturations)) * (same - luma))) @ maps


def _each(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1)


def _linear(parts: Tensor, added: Tensor | None = None) -> Tensor:
    """Return linear maps (N, d, d), and what they add to each colour (N,), as matrices (N, d + 1, d + 1)."""
    count, size = parts.shape[:2]
    maps = torch.eye(size + 1, dtype=parts.dtype).repeat(count, 1, 1)
    maps[:, :-1, :-1] = parts
    if added is not None:
        maps[:, :-1, -1] = added.unsqueeze(1)
    return maps


def _sometimes(gate: Tensor, maps: Tensor) -> Tensor:
    """Return the maps (N, d, d) where the gate (N,) is open, and the identity elsewhere."""
    return torch.where(_each(gate), maps, torch.eye(maps.shape[-1], dtype=maps.dtype))


def _changed(maps: Tensor) -> Tensor:
    """Return the numbers of the maps that are not the identity."""
    return (maps != torch.eye(maps.shape[-1], dtype=maps.dtype)).flatten(1).any(1).nonzero().squeeze(1)
