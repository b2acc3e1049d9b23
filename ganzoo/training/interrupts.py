"""Signals that end a run: the first is noted and obeyed after the step, the second ends the process at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interrupts:
    """Notes the first signal.

    Attributes:
        received: The signal, once there was one.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note signals, from here on, instead of dying of them; only the main thread can.

        A signal that is ignored, as `nohup` and shells in the background ask for, or handled outside Python, stays so.
        """
        self.received = None
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        before = {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}

        def note(number: int, frame: FrameType | None) -> None:
            self.received = signal.Signals(number)
            for each, handler in before.items():
                signal.signal(each, signal.SIG_DFL if each is signal.SIGUSR1 else handler)

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def leave(self) -> NoReturn:
        """End as the received signal asks: KeyboardInterrupt (exit code 130), exit 143, or exit 0 for SIGUSR1."""
        if self.received is signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(0 if self.received is signal.SIGUSR1 else 143)
