"""The base of callbacks, and how one is named: what a run calls while it trains, if it was asked to.

A callback is given as an object, or as text: a registered name, with arguments where it takes some, such as
`"tensorboard(directory='logs')"`. Text is read with `ast`, arguments are plain values, and nothing is evaluated.
"""

import ast
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo import plugins
from ganzoo.errors import ConfigError, InputError

if TYPE_CHECKING:
    from PIL import Image

    from ganzoo.gan import GAN
    from ganzoo.training.trainer import Trainer

TEXT = re.compile(r"\s*([A-Za-z_][\w-]*(?:/[A-Za-z_][\w-]*)?)\s*(\(.*\))?\s*", re.ASCII | re.DOTALL)
GRAMMAR = "it takes a name such as 'tensorboard', or with arguments \"tensorboard(directory='logs')\""


class Callback:
    """The base of callbacks: override what is wanted, and the rest costs nothing.

    A callback looks on. It may read the trainer that `on_start` gives it, and draw random numbers as it likes, which
    change no result; it is not to change weights or settings. What one raises ends training with a `CallbackError`; the
    last checkpoint is as good as ever, and the run can be resumed from it.

    Example:
        >>> class Print(ganzoo.Callback):
        ...     def on_log(self, images, line):
        ...         print(images, line["generator_loss"])
        >>> ganzoo.Trainer("mlp", "hinge", "ring", images=10_000, callbacks=[Print(), "tensorboard"])
    """

    def on_start(self, trainer: "Trainer") -> None:
        """Training begins, or goes on when resumed: `trainer.images` tells where.

        Args:
            trainer: The trainer, with `run`, `settings`, `gan` (the networks as they learn) and `result()` (the GAN as
                it would be published now).
        """

    def on_step(self, images: int) -> None:
        """A step was taken. This is called so often that it should be quick.

        Args:
            images: How many images the discriminator has been shown as real.
        """

    def on_log(self, images: int, line: Mapping[str, Any]) -> None:
        """A line of the log is due.

        Args:
            images: As in `on_step`.
            line: What goes into metrics.jsonl, numbers by name.
        """

    def on_sample(self, images: int, picture: "Image.Image") -> None:
        """The fixed samples were drawn; not called for samples that cannot be drawn.

        Args:
            images: As in `on_step`.
            picture: What goes into the folder `samples`.
        """

    def on_evaluate(self, images: int, numbers: Mapping[str, float]) -> None:
        """The model was evaluated, first before the first step.

        Args:
            images: As in `on_step`.
            numbers: What `ganzoo.evaluate` measured, by the names its report has, such as
                `"FCD[judge-mnist-0123abcd]"`.
        """

    def on_checkpoint(self, images: int, folder: Path) -> None:
        """A checkpoint is on disk.

        Args:
            images: As in `on_step`.
            folder: The checkpoint's folder.
        """

    def on_end(self, gan: "GAN | None") -> None:
        """Training has ended, however it did; the place to close files.

        Args:
            gan: What `fit` returns; None if an error or a signal ended it, which `resume` goes on from.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint shall keep for this callback, as JSON can hold it; by default nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned, before `on_start` of a resumed run.

        Args:
            state: It, as JSON brings it back.
        """


def create_callback(text: str) -> Callback:
    """Build a registered callback.

    Args:
        text: Its name, or its name and arguments: `"tensorboard(directory='logs')"`.

    Raises:
        ConfigError: The text cannot be read, or the arguments are none of the callback's.
        UnknownNameError: No callback has this name.
        PluginError: It cannot be imported.
        InputError: It is registered as a callback and is none.
    """
    match = TEXT.fullmatch(text)
    if match is None:
        raise ConfigError(f"cannot read the callback {text!r}; {GRAMMAR}")
    entry = plugins.find("callback", match[1])
    positional, keywords = _read_arguments(match[2] or "()", text)
    factory = entry.load()
    try:
        inspect.signature(factory).bind(*positional, **keywords)
    except TypeError as error:
        raise ConfigError(
            f"the callback {entry.full_name!r} cannot be made of {text!r}: {error}; it takes "
            f"{inspect.signature(factory)}"
        ) from error
    callback = factory(*positional, **keywords)
    if not isinstance(callback, Callback):
        raise InputError(f"{entry.full_name} is registered as a callback, but makes no Callback; tell its provider")
    return callback


def _read_arguments(text: str, whole: str) -> tuple[list[Any], dict[str, Any]]:
    """Read `(1, name='text')`."""
    try:
        call = ast.parse(f"_{text}", mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
            if len(keywords) == len(call.keywords):
                return [ast.literal_eval(argument) for argument in call.args], keywords
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    raise ConfigError(f"cannot read the arguments of the callback {whole!r}; {GRAMMAR}")
