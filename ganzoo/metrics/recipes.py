"""How each bundled judge is trained: the full setting, and the accuracy to expect of it."""

from collections.abc import Callable
from dataclasses import dataclass

from ganzoo.errors import UnknownNameError, did_you_mean
from ganzoo.metrics.networks import Judge, plain, residual


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One judge's training.

    Attributes:
        network: Makes the network.
        data: What the data is called.
        license: The licence of the data, and so of the weights.
        seed: Seeds the weights, the order and the augmentation.
        epochs: Passes over the training pictures.
        batch_size: Pictures a step.
        learning_rate: The peak of the one-cycle schedule.
        weight_decay: AdamW's.
        label_smoothing: The share of the target spread over all classes; none where the judge's confidence shall mean
            something, since smoothing keeps it down.
        shift: Pictures are moved by up to this many pixels each way.
        flip: Whether half of the pictures are mirrored.
        expected_accuracy: On the test split; a judge below it is not written.
    """

    network: Callable[[], Judge]
    data: str
    license: str
    seed: int
    epochs: int
    batch_size: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.0
    shift: int = 2
    flip: bool = False
    expected_accuracy: float


RECIPES = {
    "judge-mnist": Recipe(
        network=plain, data="MNIST", license="CC-BY-SA-3.0", seed=1, epochs=6, expected_accuracy=0.993
    ),
    "judge-mnist-b": Recipe(
        network=residual, data="MNIST", license="CC-BY-SA-3.0", seed=2, epochs=6, expected_accuracy=0.993
    ),
    "judge-fashion": Recipe(
        network=plain,
        data="Fashion-MNIST",
        license="MIT",
        seed=3,
        epochs=16,
        label_smoothing=0.05,
        flip=True,
        expected_accuracy=0.92,
    ),
    "judge-fashion-b": Recipe(
        network=residual,
        data="Fashion-MNIST",
        license="MIT",
        seed=4,
        epochs=12,
        label_smoothing=0.05,
        flip=True,
        expected_accuracy=0.92,
    ),
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a bundled judge.

    Raises:
        UnknownNameError: No bundled judge has this name.
    """
    if name not in RECIPES:
        raise UnknownNameError(
            f"no bundled judge is named {name!r}{did_you_mean(name, RECIPES)}; there are {', '.join(RECIPES)}"
        )
    return RECIPES[name]
