"""A run is killed, crashes, is signalled, or meets a second trainer."""

import harness
import pytest

SAVE = 4  # the save that crashes: the first that also removes older checkpoints


@pytest.fixture(scope="module")
def operations(site):
    return harness.count_operations(site, SAVE)


def test_a_save_has_as_many_operations_as_are_tried(operations):
    assert 30 <= operations <= 200


@pytest.mark.parametrize("seed", range(2))
def test_kill(site, seed):
    harness.kill(site, seed)


@pytest.mark.parametrize("at", [1, 20, -1])
def test_crash_at_an_operation(site, operations, at):
    harness.crash(site, at % (operations + 1), SAVE)


def test_crash_in_the_first_save(site):
    harness.crash(site, 8, save=1)


@pytest.mark.parametrize("seed", range(3))
def test_signal(site, seed):
    harness.interrupt(site, seed)


def test_second_trainer(site):
    harness.intrude(site, 0)


@pytest.mark.faults
def test_all_kills(site):
    for seed in range(100, 120):
        harness.kill(site, seed)


@pytest.mark.faults
@pytest.mark.parametrize("save", [1, SAVE])
def test_crash_at_every_operation(site, save):
    operations = harness.count_operations(site, save)
    for at in range(1, operations + 1):
        harness.crash(site, at, save)


@pytest.mark.faults
def test_all_signals(site):
    for seed in range(100, 120):
        harness.interrupt(site, seed)


@pytest.mark.faults
def test_all_second_trainers(site):
    for number in range(1, 21):
        harness.intrude(site, number)
