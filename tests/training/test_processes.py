"""Two processes that train one GAN, started by torchrun, against one process with the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from shared_runs import ALIKE, SAME, final, history, prepare
from small import BATCH, trainer

from ganzoo import Trainer
from ganzoo.losses.term import AdversarialLoss
from ganzoo.training.checkpoints import CheckpointStore

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")]

SIGNALS = {"SIGTERM": ("SystemExit", 143), "SIGINT": ("KeyboardInterrupt", None), "SIGUSR1": ("SystemExit", 0)}
FAULTS = ["weight", "gradient", "average", "statistic"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Train everything in two processes."""
    folder = tmp_path_factory.mktemp("processes")
    here = Path(__file__).parent
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "PYTHONPATH": os.pathsep.join([str(here), *sys.path]),
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(here / "shared_runs.py"), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


@pytest.fixture(scope="module")
def seen(folder):
    return [json.loads((folder / f"process-{number}.json").read_text()) for number in range(2)]


def test_every_adversarial_loss_is_tried():
    from ganzoo import create_loss, list_losses

    losses = {name for name in list_losses(provider="torch-ganzoo") if isinstance(create_loss(name), AdversarialLoss)}
    assert losses <= SAME.keys()


@pytest.mark.parametrize("name", SAME)
def test_two_processes_equal_one(name, seen):
    torch.manual_seed(0)
    run = prepare(SAME[name])
    alone, shared = history(run), seen[0]["same"][name]
    assert len(alone) == len(shared["history"]) > 2
    for step, (one, two) in enumerate(zip(alone, shared["history"], strict=True)):
        assert two == pytest.approx(one, rel=1e-5, abs=1e-5), f"step {step}"
    for key, values in final(run).items():
        assert shared["final"][key] == pytest.approx(values, rel=1e-5, abs=1e-5), key


@pytest.mark.parametrize("name", [*SAME, *ALIKE])
def test_both_processes_hold_the_same_bits(name, seen):
    kind = "same" if name in SAME else "alike"
    first, second = (each[kind][name] for each in seen)
    assert first["digest"] == second["digest"]
    assert first["history"] == second["history"]


def test_statistics_of_batch_norm_are_means_of_the_parts(seen):
    """The mean of a batch is the mean of its halves' means, where no other batch norm comes before."""
    run = prepare(ALIKE["batch norm, one step"])
    run.fit()
    name = "generator.layers.0.running_mean"
    shared, alone = seen[0]["alike"]["batch norm, one step"]["final"], final(run)
    assert shared[name] == pytest.approx(alone[name], rel=1e-9)
    assert shared[name.replace("mean", "var")] != pytest.approx(alone[name.replace("mean", "var")], rel=1e-9)


@pytest.mark.parametrize("only", [0, 1])
@pytest.mark.parametrize("name", FAULTS)
def test_what_is_not_finite_in_one_process_stops_both_at_the_same_step(name, only, seen, folder):
    first, second = (each["faults"][f"{name}-{only}"] for each in seen)
    assert first["images"] == second["images"] == (64 if name == "average" else 48)
    found = {first["error"], second["error"]}
    assert found == ({"DivergenceError", "ProcessesError"} if name == "average" else {"DivergenceError"})
    if name == "average":
        assert (first, second)[only]["error"] == "DivergenceError"
        assert f"process {only} failed" in (first, second)[1 - only]["message"]
    else:
        assert "training diverged at step 4" in first["message"]
    store = CheckpointStore(folder / f"{name}-{only}" / "checkpoints", 2)
    tensors = store.load_newest().tensors
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert int(store.names()[-1]) >= 48


@pytest.mark.parametrize("only", [0, 1])
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_to_one_process_ends_both_at_the_same_step(name, only, seen, folder):
    error, code = SIGNALS[name]
    for each in seen:
        found = each["faults"][f"{name}-{only}"]
        assert (found["error"], found["code"], found["images"]) == (error, code, 64)
    run = folder / f"{name}-{only}"
    assert CheckpointStore(run / "checkpoints", 2).load_newest().state["images"] == 64
    assert not (run / "model").exists()


@pytest.mark.parametrize(
    ("name", "errors", "says"),
    [
        ("indivisible", ["ConfigError"] * 2, "batch_size is 15, which 2 processes cannot share evenly"),
        ("card", ["ConfigError"] * 2, "device is 'cpu:0' for all of 2 processes"),
        ("data", ["RunError"] * 2, "process 1 has another data than process 0"),
        ("seed", ["RunError"] * 2, "process 1 has another training than process 0"),
        ("learning rate", ["RunError"] * 2, "process 1 has another training than process 0"),
        ("taken", ["RunError", "ProcessesError"], "holds a run already"),
    ],
)
def test_refused_in_a_sentence(name, errors, says, seen):
    assert [each["refusals"][name]["error"] for each in seen] == errors
    assert says in seen[0]["refusals"][name]["message"]


def test_what_is_refused_writes_nothing(seen):
    assert seen[0]["refusals"]["what was taken"]
    assert seen[0]["refusals"]["what was not begun"] == {}


def test_process_0_alone_evaluates_and_keeps_the_best(folder, seen):
    assert seen[0]["evaluated"] == seen[1]["evaluated"]
    lines = [json.loads(line) for line in (folder / "evaluated" / "metrics.jsonl").read_text().splitlines()]
    evaluated = [line["images"] for line in lines if "modes" in line]
    assert evaluated == sorted(set(evaluated))
    assert evaluated[0] == 0
    assert (folder / "evaluated" / "best" / "generator.safetensors").exists()


def test_a_plateau_ends_both_at_the_same_step(seen):
    assert seen[0]["patient"] == seen[1]["patient"]
    assert seen[0]["patient"][0] == 3 * BATCH  # the best was the first


def test_process_0_alone_writes(folder):
    lines = [json.loads(line) for line in (folder / "taken" / "metrics.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [BATCH * step for step in range(1, 7)]
    assert (folder / "taken" / "model" / "generator.safetensors").exists()
    assert not list(folder.rglob("*.tmp-*"))


def test_resumed_by_two_is_bit_equal_and_by_one_says_so(seen, folder, caplog):
    assert seen[0]["resumed"] == seen[1]["resumed"] == seen[0]["whole"]
    run = Trainer.resume(folder / "resumed", progress=False)
    assert run.images == 8 * BATCH
    assert "processes was 2 and is 1; results may differ in the last digits, and by more with dropout" in caplog.text
    whole = trainer(steps=8, **SAME["hinge"])
    whole.fit()
    assert final(run)["generator.output.weight"] == pytest.approx(final(whole)["generator.output.weight"], rel=1e-9)
