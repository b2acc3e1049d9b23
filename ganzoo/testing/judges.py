"""What must be true of a judge."""

from functools import cached_property

import torch
from torch import Tensor

from ganzoo import plugins
from ganzoo.metrics.features import Extractor, Observation
from ganzoo.metrics.judge import Description, describe_judge, load_judge
from ganzoo.testing.checks import require

PICTURES = 6


class JudgeSubject:
    """A registered judge, and what it sees in pictures of noise."""

    def __init__(self, name: str) -> None:
        """Find the judge; its files are read when they are first needed.

        Args:
            name: Its name.

        Raises:
            UnknownNameError: No judge has this name.
        """
        self.entry = plugins.find("judge", name)

    @cached_property
    def described(self) -> Description:
        """What its JSON file says."""
        return describe_judge(self.entry)

    @cached_property
    def judge(self) -> Extractor:
        """The judge with its weights."""
        return load_judge(self.entry.full_name)

    @cached_property
    def pictures(self) -> Tensor:
        """Pictures (6, C, H, W), uint8, from black to white."""
        rng = torch.Generator().manual_seed(0)
        noise = torch.rand(PICTURES, *self.described.input_shape, generator=rng)
        return (noise * torch.linspace(0, 255, PICTURES)[:, None, None, None]).round().byte()

    @cached_property
    def seen(self) -> Observation:
        """What it sees in them."""
        return self.judge.observe(self.pictures)


def description(subject: JudgeSubject) -> None:
    """Its files are there, and say the licence of the weights and an accuracy above guessing."""
    described = subject.described
    require(bool(described.license), "its JSON file names no licence of the weights; give license=")
    require(
        described.accuracy > described.guessing,
        f"it names {described.accuracy:.2%} of the classes, and guessing the largest gets {described.guessing:.2%}",
    )


def sizes(subject: JudgeSubject) -> None:
    """It gives as many features and classes as it says, features that are not negative, and nothing infinite."""
    described, seen = subject.described, subject.seen
    expected = (PICTURES, described.features)
    require(
        seen.features.shape == expected and seen.features.dtype == torch.float32,
        f"its features are {seen.features.dtype} of shape {tuple(seen.features.shape)}; expected float32, {expected}",
    )
    require(bool(seen.features.isfinite().all()), "its features are not finite")
    require(bool((seen.features >= 0).all()), "its features are negative somewhere; end them with a ReLU")
    expected = (PICTURES, len(described.class_names))
    found = None if seen.logits is None else tuple(seen.logits.shape)
    require(found == expected, f"its logits have shape {found}; expected {expected}, one for each class name")


def single_pictures(subject: JudgeSubject) -> None:
    """It sees a picture alone as in a batch, and the same each time."""
    alone = torch.cat([subject.judge.observe(picture).features for picture in torch.split(subject.pictures, 1)])
    largest = float((alone - subject.seen.features).abs().max())
    require(
        torch.allclose(alone, subject.seen.features, rtol=1e-3, atol=1e-3),
        f"it gives a picture alone other features than in a batch, different by up to {largest:.3g}; use nothing of "
        "other pictures in eval mode, and no chance",
    )
