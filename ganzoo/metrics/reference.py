"""The real data that samples are held against, and the parts of it that give the floor."""

import os
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.data.idx import whole_folder
from ganzoo.data.loading import Data, open_data
from ganzoo.data.table import Table
from ganzoo.errors import DataError
from ganzoo.randomness import generator


@dataclass(frozen=True)
class Reference:
    """Real data.

    Attributes:
        test: What samples are compared with.
        train: What the model was trained on, as far as the data tells; None where there is one set of samples only.
        note: Why there is no `train`; empty where there is.
    """

    test: Table
    train: Table | None
    note: str = ""


@dataclass(frozen=True)
class Parts:
    """Disjoint parts of real data.

    Attributes:
        left: Real samples in the place of generated ones, for the floor.
        right: What they are compared with.
        floor: What the two are, in words.
        train: Training samples, none of them in `left`, to look for neighbours in; None without a training split.
        test_rows: As many rows of the test split; None with `train`.
    """

    left: Tensor
    right: Tensor
    floor: str
    train: Tensor | None = None
    test_rows: Tensor | None = None


def open_reference(data: Data | Reference) -> Reference:
    """Open the test split of data, and the training split if it has one.

    Args:
        data: As `open_data` takes it; of a folder both splits are read. What is open already is returned as it is.

    Raises:
        UnknownNameError: A text is neither a registered name nor a path.
        DataError: The data cannot be read.
    """
    if isinstance(data, Reference):
        return data
    test = open_data(data, split="test")
    note = f"{test.name} has no training split here: the floor is one half against the other, memorisation is left out"
    if not isinstance(data, str | os.PathLike):
        return Reference(test, None, note)
    try:
        train = open_data(data, split="train")
    except DataError as error:
        return Reference(test, None, f"{note} ({error})")
    # A registered data set, and a single file, give the same samples for either split.
    return Reference(test, None, note) if train.source == test.source else Reference(test, train)


def open_reference_of(table: Table) -> Reference:
    """Open the data that a table is a split of, as `open_reference`; what only Python holds is all there is.

    Args:
        table: What a model is trained on.

    Raises:
        UnknownNameError: The table's source is neither a registered name nor a path any more.
        DataError: The data cannot be read, or has no test split.
    """
    return open_reference(table if table.source is None else whole_folder(table.source))


def split_parts(reference: Reference, samples: int) -> Parts:
    """Choose the parts of real data that the floor and memorisation are measured on, the same every time.

    Args:
        reference: The real data.
        samples: How many generated samples the floor is for; where there are fewer real ones, all are taken.
    """
    test = reference.test
    # Data can be ordered by class, so that a slice of it would lack some.
    test_order = torch.randperm(len(test), generator=generator("evaluate", "test"))
    if reference.train is None:
        half = len(test) // 2
        left, right = test.samples[test_order[:half][:samples]], test.samples[test_order[half:]]
        return Parts(left, right, f"{len(left)} real against {len(right)} others, from two halves of {test.name}")
    train = reference.train
    train_order = torch.randperm(len(train), generator=generator("evaluate", "train"))
    pool = min(len(test), len(train) // 2)
    left = train.samples[train_order[pool : pool + samples]]
    floor = f"{len(left)} of the training split against {len(test)} of the test split"
    return Parts(left, test.samples, floor, train.samples[train_order[:pool]], test_order[:pool])
