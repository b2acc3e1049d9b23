"""A run that keeps its best model and writes for TensorBoard is killed, several times over."""

import json
import os
import random
import shutil
import signal
import time

import harness
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ganzoo

STEPS, KILLS = 60, 3
MORE = ["--best-by", "high quality", "--evaluate-every-images", "32", "--callback", "tensorboard"]
MORE += ["--learning-rate", "0.02", "--ema-half-life-images", "64", "-s", "evaluate_samples=100"]


def outcome(run):
    """Return all that a run leaves, without the speed, which no two runs share."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    shown = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    tags = [tag for tag in shown.Tags()["scalars"] if "per_second" not in tag]
    config = json.loads((run / "best" / "config.json").read_text())
    return {
        "log": [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines],
        "points": {tag: [(point.step, point.value) for point in shown.Scalars(tag)] for tag in tags},
        "best": (run / "best" / "generator.safetensors").read_bytes(),
        "of": (config["training"]["images_shown"], config["metrics"]),
        "model": (run / "model" / "generator.safetensors").read_bytes(),
        "stray": [path.name for path in run.glob("*.tmp-*")],
    }


@pytest.fixture(scope="module")
def whole(nursery, tmp_path_factory):
    folder = tmp_path_factory.mktemp("best")
    started = time.monotonic()
    assert nursery.run(harness.arguments(folder / "whole", STEPS, *MORE), output=folder / "whole.txt") == 0
    return folder, time.monotonic() - started, outcome(folder / "whole")


def trial(nursery, whole, seed):
    folder, seconds, expected = whole
    run, output, rng = folder / f"run-{seed}", folder / f"{seed}.txt", random.Random(seed)
    for _ in range(KILLS):
        line = ["resume", str(run)] if (run / "config.toml").exists() else harness.arguments(run, STEPS, *MORE)
        pid = nursery.start(line, output=output)
        time.sleep(rng.uniform(0, seconds))
        os.kill(pid, signal.SIGKILL)
        nursery.wait(pid)
        if (run / "best").exists():
            ganzoo.load(run / "best", discriminator=True)  # which is whole at any moment
    line = ["resume", str(run)] if (run / "config.toml").exists() else harness.arguments(run, STEPS, *MORE)
    assert nursery.run(line, output=output) == 0, output.read_text()
    assert outcome(run) == expected
    shutil.rmtree(run)


@pytest.mark.slow
def test_the_best_and_the_points_are_those_of_a_run_nobody_disturbed(nursery, whole):
    trial(nursery, whole, 0)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(1, 11))
def test_they_are_ten_times_over(nursery, whole, seed):
    trial(nursery, whole, seed)
