"""Calling the callbacks of a run, and ending it with the name of one that fails."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ganzoo.errors import CallbackError, InputError, given
from ganzoo.training.callbacks import Callback, create_callback

if TYPE_CHECKING:
    from ganzoo.training.trainer import Trainer

logger = logging.getLogger("ganzoo")


class Callbacks:
    """The callbacks of one run: for each event a tuple of what to call, made once, which is empty for most.

    Attributes:
        count: How many there are to call.
        on_step: Each takes what the method of `Callback` takes.
        on_log: Likewise.
        on_sample: Likewise.
        on_evaluate: Likewise.
        on_checkpoint: Likewise.
    """

    def __init__(self, callbacks: Sequence[Callback | str] = (), *, is_active: bool = True) -> None:
        """Build the callbacks that are given as text.

        Args:
            callbacks: Names with arguments, and objects.
            is_active: Call them; of several processes that train together, one does.

        Raises:
            InputError: One is neither text nor a `Callback`.
            UnknownNameError: No callback has this name.
            ConfigError: A text cannot be read, or its arguments are none of the callback's.
            PluginError: A callback cannot be imported.
        """
        if isinstance(callbacks, str) or not isinstance(callbacks, Sequence):
            raise InputError(
                f"callbacks is {given(callbacks)}; it takes a list of names and of ganzoo.Callback objects"
            )
        self._labels: dict[str, Callback] = {}
        self._texts: list[str] = []
        self._own: list[str] = []
        for callback in callbacks:
            built = create_callback(callback) if isinstance(callback, str) else callback
            if not isinstance(built, Callback):
                raise InputError(
                    f"{given(callback)} was given as a callback; it takes a registered name, or an object of a class "
                    "that inherits from ganzoo.Callback"
                )
            label = callback.strip() if isinstance(callback, str) else _class_name(callback)
            (self._texts if isinstance(callback, str) else self._own).append(label)
            number = sum(known.partition(" #")[0] == label for known in self._labels)
            self._labels[f"{label} #{number + 1}" if number else label] = built
        self._is_active = is_active
        self.count = len(self._labels) if is_active else 0
        self._on_start = self._bound("on_start")
        self.on_step = self._bound("on_step")
        self.on_log = self._bound("on_log")
        self.on_sample = self._bound("on_sample")
        self.on_evaluate = self._bound("on_evaluate")
        self.on_checkpoint = self._bound("on_checkpoint")
        self._on_end = self._bound("on_end")

    def _bound(self, event: str) -> tuple[Callable[..., None], ...]:
        return tuple(
            _guarded(label, event, getattr(callback, event))
            for label, callback in (self._labels.items() if self._is_active else ())
            if getattr(type(callback), event) is not getattr(Callback, event) or event in vars(callback)
        )

    @contextmanager
    def running(self, trainer: "Trainer") -> Iterator[None]:
        """Call `on_start` before and `on_end` after what is done inside.

        Raises:
            CallbackError: One of them fails; where training has failed already, that is a warning.
        """
        try:
            for start in self._on_start:
                start(trainer)
            yield
        except BaseException:
            for end in self._on_end:
                try:
                    end(None)
                except CallbackError as error:
                    logger.warning("%s", error)
            raise
        for end in self._on_end:
            end(trainer.result().eval())

    def describe(self) -> dict[str, list[str]]:
        """Return what config.toml says of them: the texts, and the classes of those that only Python holds."""
        parts = {"callbacks": self._texts, "callbacks_from_python": self._own}
        return {key: value for key, value in parts.items() if value}

    def state_dict(self) -> dict[str, Any]:
        """Return what the callbacks have a checkpoint keep, by label.

        Raises:
            CallbackError: One has something that JSON cannot hold.
        """
        states = {}
        for label, callback in self._labels.items():
            if state := _guarded(label, "state_dict", callback.state_dict)():
                try:
                    json.dumps(state, allow_nan=False)
                except (TypeError, ValueError) as error:
                    raise CallbackError(
                        f"the state_dict of the callback {label!r} cannot be kept in a checkpoint: {error}; return "
                        "plain, finite values"
                    ) from error
                states[label] = state
        return states

    def load_state_dict(self, states: Mapping[str, Any]) -> None:
        """Give each callback what a checkpoint kept for it; one that is new to the run gets nothing.

        Raises:
            CallbackError: A callback refuses it.
        """
        for label, callback in self._labels.items():
            if label in states:
                _guarded(label, "load_state_dict", callback.load_state_dict)(states[label])


def _class_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _guarded(label: str, event: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method so that its errors name the callback."""

    def call(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except Exception as error:
            raise CallbackError(
                f"the callback {label!r} failed in {event}: {type(error).__name__}: {error}; training ends here, and "
                "can go on from its last checkpoint once that is put right"
            ) from error

    return call
