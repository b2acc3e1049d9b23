"""One of several processes is lost; torchrun starts them."""

import lost_process
import pytest


@pytest.mark.slow
def test_a_killed_process_ends_all(tmp_path):
    lost_process.lose(tmp_path, "kill", 1)


@pytest.mark.faults
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("kind", ["raise", "kill", "exit", "hang"])
def test_a_lost_process_ends_all(tmp_path, kind, number):
    lost_process.lose(tmp_path, kind, number)


@pytest.mark.faults
def test_a_signal_to_torchrun_saves_the_state(tmp_path):
    lost_process.interrupt(tmp_path)
