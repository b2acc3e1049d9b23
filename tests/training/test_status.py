"""What a run's folder says of it, without torch and without disturbing its trainer."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from small import stop_at, trainer

from ganzoo.training.history import read_log
from ganzoo.training.run import RunFolder
from ganzoo.training.status import find_runs, run_status

HOLD = """
import sys, pathlib
from ganzoo.training.run import RunFolder
with RunFolder(pathlib.Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(run):
    """Let another process hold a run's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.communicate()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Train one run to its end, and stop another after 4 of 6 steps."""
    folder = tmp_path_factory.mktemp("runs")
    trainer(folder / "done").fit()
    stop_at(trainer(folder / "benchmarks" / "row" / "0", checkpoint_every_images=16), 4)
    return folder


@pytest.fixture
def copied(runs, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def test_runs_are_found_at_any_depth_and_not_in_each_other(copied):
    (copied / "a" / ".hidden").mkdir(parents=True)
    shutil.copytree(copied / "done", copied / "a" / ".hidden" / "run")
    shutil.copytree(copied / "benchmarks" / "row" / "0", copied / "done" / "samples" / "inner")
    (copied / "config-only").mkdir()
    (copied / "config-only" / "config.toml").write_text("a = 1")
    found = [path.relative_to(copied).as_posix() for path in find_runs(copied)]
    assert found == ["benchmarks/row/0", "done"]
    assert list(find_runs(copied / "done")) == [copied / "done"]


def test_a_finished_run(runs):
    status = run_status(runs / "done", contents=True)
    assert (status.state, status.reason, status.images, status.budget) == ("finished", "", 96, 96)
    assert (status.architecture, status.objective, status.data) == ("mlp", "non_saturating", "ring")
    assert status.model == runs / "done" / "model"
    last = json.loads((runs / "done" / "metrics.jsonl").read_text().splitlines()[-1])
    assert status.figures == {name: last[name] for name in status.figures}
    assert set(status.figures) > {"discriminator_loss", "generator_loss", "real_score", "fake_score"}
    assert abs(status.updated - time.time()) < 600


def test_a_stopped_run_is_where_its_checkpoint_is(runs):
    status = run_status(runs / "benchmarks" / "row" / "0")
    assert (status.state, status.images, status.budget, status.model) == ("stopped", 64, 96, None)


def test_a_run_whose_lock_is_held_is_running_and_keeps_it(copied):
    run = copied / "done"
    with held(run):
        assert [run_status(run).state for _ in range(3)] == ["running"] * 3
        with (run / ".lock").open("rb") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert run_status(run).state == "finished"


def test_a_run_that_has_just_begun_is_found_by_its_lock(tmp_path):
    with held(tmp_path / "new"):
        assert [run_status(path).state for path in find_runs(tmp_path)] == ["running"]
    assert list(find_runs(tmp_path)) == []


def test_a_trainer_that_starts_waits_for_one_who_only_looks(tmp_path):
    (tmp_path / ".lock").write_text("")
    looking = (tmp_path / ".lock").open("rb")
    fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
    threading.Timer(0.05, looking.close).start()
    with RunFolder(tmp_path).locked():
        assert RunFolder(tmp_path).is_locked()
    assert not RunFolder(tmp_path).is_locked()


def test_looking_writes_nothing(runs):
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    for path in find_runs(runs):
        run_status(path, contents=True)
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == before


def test_a_higher_budget_makes_a_finished_run_one_to_resume(copied):
    config = copied / "done" / "config.toml"
    config.write_text(config.read_text().replace("\nimages = 96\n", "\nimages = 960\n"))
    assert (run_status(copied / "done").state, run_status(copied / "done").images) == ("stopped", 96)


def test_a_finished_run_without_checkpoints_is_known_by_its_model(copied):
    shutil.rmtree(copied / "done" / "checkpoints")
    assert (run_status(copied / "done").state, run_status(copied / "done").images) == ("finished", 96)


def test_a_damaged_checkpoint_is_told_and_the_one_before_counts(copied):
    run = copied / "benchmarks" / "row" / "0"
    newest, before = run / "checkpoints" / "000000064", "000000048"
    os.truncate(newest / "state.safetensors", 100)
    status = run_status(run)
    assert (status.state, status.images) == ("stopped", 48)
    assert status.reason == f"checkpoint 000000064 is damaged; it would go on from {before}"
    os.truncate(run / "checkpoints" / before / "state.json", 1)
    status = run_status(run)
    assert (status.state, status.reason) == ("damaged", "none of its 2 checkpoints verifies")


def test_changed_bytes_are_found_when_asked_for(copied):
    run = copied / "benchmarks" / "row" / "0"
    file = run / "checkpoints" / "000000064" / "state.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert run_status(run).images == 64
    assert run_status(run, contents=True).images == 48


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no readable config.toml"),
        ("images = [", "cannot be read"),
        ("[training]\nimages = 'many'", "lacks the budget"),
        ("training = 3", "lacks the budget"),
    ],
)
def test_a_run_without_a_usable_config_is_damaged(copied, content, says):
    config = copied / "done" / "config.toml"
    config.unlink()
    if content is not None:
        config.write_text(content)
    assert copied / "done" in list(find_runs(copied))
    status = run_status(copied / "done")
    assert (status.state, status.budget) == ("damaged", None)
    assert says in status.reason


def test_the_log_is_read_as_far_as_it_is_whole(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert read_log(file) == []
    lines = [{"images": 64, "a": 1.0}, {"images": 128, "a": float("nan")}, {"images": 64, "a": 2.0}]
    broken = ["{", "[1]", "null", '{"a": 1}', '{"images": "64"}', "\xff"]
    text = "\n".join([*map(json.dumps, lines), *broken, json.dumps({"images": 192})])  # the last is still written
    file.write_text(text, encoding="latin-1")
    first, second = read_log(file)
    assert first == {"images": 64, "a": 2.0}
    assert second["images"] == 128
    assert second["a"] != second["a"]


def test_the_end_of_a_long_log_is_read_alone(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(json.dumps({"images": i, "a": "x" * 500}) + "\n" for i in range(1, 1001)))
    last = read_log(file, last_only=True)
    assert 50 < len(last) < 200
    assert last == read_log(file)[-len(last) :]
