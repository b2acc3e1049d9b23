import signal

import pytest

from ganzoo.training.interrupts import Interrupts


@pytest.fixture
def ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("ignored")
def test_an_ignored_signal_stays_ignored():
    interrupts = Interrupts()
    with interrupts.listening():
        signal.raise_signal(signal.SIGTERM)
        assert interrupts.received is None
        signal.raise_signal(signal.SIGUSR1)
        assert interrupts.received is signal.SIGUSR1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
