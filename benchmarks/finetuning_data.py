"""The few pictures of `finetuning.py`, what they are measured against, and what the models before them learn from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click
import torch
from torch import Tensor

from ganzoo.data.loading import open_data
from ganzoo.data.table import Table
from ganzoo.gan import GAN
from ganzoo.metrics.drawing import draw
from ganzoo.metrics.features import Extractor
from ganzoo.metrics.fidelity import compare
from ganzoo.metrics.judge import load_judge
from ganzoo.metrics.neighbours import memorisation
from ganzoo.randomness import generator

SANDALS = 5  # their class in Fashion-MNIST
SAMPLES = 1000
COPIES = "nearer to train"
LAST_HELD_OUT = 2  # the last digit of the groups of faces that are held out
FASHION, EMOJI = "dcgan-fashion-without-sandals", "dcgan-emoji-without-faces"  # models that are trained first


@dataclass(frozen=True)
class Case:
    """Few pictures to learn from.

    Attributes:
        few: These.
        held_out: (N, C, H, W) uint8, others like them, which samples are measured against.
        unseen: (M, C, H, W) uint8, others again, measured in the samples' place; the few themselves where there are
            no others.
        judge: Whose features are compared.
    """

    few: Table
    held_out: Tensor
    unseen: Tensor
    judge: str

    @cached_property
    def extractor(self) -> Extractor:
        """The judge."""
        return load_judge(self.judge)

    @cached_property
    def features(self) -> tuple[Tensor, Tensor]:
        """The judge's features of the few and of what was held out."""
        return self.extractor.observe(self.few.samples).features, self.extractor.observe(self.held_out).features

    def measure(self, gan: GAN) -> dict[str, float]:
        """Measure a model's samples."""
        return self._measure(draw(gan, SAMPLES, seed=0, data=self.few))

    def measure_real(self) -> dict[str, float]:
        """Measure real pictures in the samples' place; the few themselves say nothing of copies."""
        found = self._measure(self.unseen[:SAMPLES])
        return {key: value for key, value in found.items() if self.unseen is not self.few.samples or key != COPIES}

    def _measure(self, pictures: Tensor) -> dict[str, float]:
        few, held_out = self.features
        seen = self.extractor.observe(pictures).features
        found = compare(seen, held_out, ["kid", "precision-recall"])
        # All of the few, so that any copy is found, and no more held-out ones: the nearest of more is nearer.
        copies = memorisation(seen, few, held_out[: len(few)])
        return {
            "KID": found["kid"],
            "precision": found["precision"],
            "recall": found["recall"],
            COPIES: copies["nearer_to_train"],
        }


class Cases:
    """All cases, and what the models before them learn from.

    Attributes:
        cases: By the name of their data.
        others: By the name of a model that is trained here, what it learns from: none of the few, nor any like them.
    """

    def __init__(self, fashion: Path) -> None:
        train, test = open_data(fashion, split="train"), open_data(fashion, split="test")
        assert train.labels is not None, "idx files come with labels"
        assert test.labels is not None, "idx files come with labels"
        sandals, held_out = train.samples[train.labels == SANDALS], test.samples[test.labels == SANDALS]
        sandals = sandals[torch.randperm(len(sandals), generator=generator("finetuning"))]
        faces, no_faces, more_faces = open_faces()
        no_sandals = Table(train.samples[train.labels != SANDALS], name="fashion-without-sandals")
        few = [Table(sandals[:count], name=f"sandals-{count}") for count in (20, 100)]
        self.cases: Mapping[str, Case] = {
            **{table.name: Case(table, held_out, sandals[-SAMPLES:], "judge-fashion") for table in few},
            faces.name: Case(faces, more_faces, faces.samples, "judge-openmoji"),
        }
        self.others: Mapping[str, Table] = {FASHION: no_sandals, EMOJI: no_faces}


def open_faces() -> tuple[Table, Table, Tensor]:
    """Return the emoji's faces to learn from, all emoji that are no faces, and the faces held out, (32, 3, 64, 64).

    Variants of one face are on one side: held out are those whose group's SHA-256, as a number, ends on 0, 1 or 2. A
    tenth of all emoji, those on 0, the judge has not seen either.
    """
    try:
        from ganzoo_openmoji.data import LICENSE, grouped, is_held_out, metadata
    except ImportError as error:
        raise click.ClickException("the faces come with a plugin: pip install plugins/ganzoo-openmoji") from error
    known = metadata()
    rows = [row for part in (False, True) for row in known if is_held_out(row["split_group"]) == part]
    pictures = torch.cat([grouped("train").samples, grouped("test").samples])  # in the order of the rows
    are_faces = torch.tensor([row["subgroup"].startswith("face-") for row in rows])
    digits = torch.tensor([int(hashlib.sha256(row["split_group"].encode()).hexdigest(), 16) % 10 for row in rows])
    few = pictures[are_faces & (digits > LAST_HELD_OUT)]
    return (
        Table(few, name=f"faces-{len(few)}", license=LICENSE),
        Table(pictures[~are_faces], name="emoji-without-faces", license=LICENSE),
        pictures[are_faces & (digits <= LAST_HELD_OUT)],
    )
