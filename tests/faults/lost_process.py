"""One of two processes that train together raises, is killed, leaves or hangs; started by torchrun as a program.

torchrun --nproc-per-node 2 lost_process.py KIND NUMBER STEP train mlp ...
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import harness

TIMEOUT = 5  # seconds that one process waits for another
SHUTDOWN = 20  # seconds that torchrun then gives a process to end by itself; its default is 30
GRACE = 40  # seconds more in which a process that hangs is gone too


def act(kind):
    """Go wrong."""
    if kind == "raise":
        raise ValueError("a fault")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "exit":
        os._exit(0)
    time.sleep(10_000)


def main(kind, number, step, *line):
    """Run the command line, with a fault in one process at the beginning of a step."""
    from ganzoo.cli import main
    from ganzoo.training.trainer import Trainer

    train_step = Trainer._train_step

    def faulty(trainer):
        if trainer.index == int(step) and kind != "none":
            act(kind)
        train_step(trainer)

    if os.environ["RANK"] == number:
        Trainer._train_step = faulty
    main(line)


def start(folder, name, kind, number=1, step=23):
    """Start a run of two processes and return torchrun."""
    line = harness.arguments(folder / name, harness.ENDLESS, "-s", f"process_timeout_seconds={TIMEOUT}")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--shutdown-timeout", str(SHUTDOWN), "--"]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    with (folder / f"{name}.txt").open("w") as printed:
        return subprocess.Popen(
            [*command, str(Path(__file__).resolve()), kind, str(number), str(step), *line],
            env=environment,
            stdout=printed,
            stderr=printed,
        )


def lose(folder, kind, number):
    """All processes end, torchrun says that they failed, and the last checkpoint verifies."""
    name, step = f"{kind}-{number}", 23
    torchrun = start(folder, name, kind, number, step)
    try:
        harness.wait_for(folder / name / "checkpoints" / f"{20 * harness.BATCH:09d}", 60)
        started = time.monotonic()
        code = torchrun.wait(TIMEOUT + GRACE if kind == "hang" else 30)
        seconds = time.monotonic() - started
    finally:
        torchrun.kill()
    said = (folder / f"{name}.txt").read_text()
    assert code != 0, said
    found = harness.examine(folder / name)
    harness.sound(found)
    assert found["verified"][-1] == 20 * harness.BATCH, found
    assert found["logged"] <= step * harness.BATCH
    assert not found["model"]
    # The other process says so, unless torchrun's signal reaches it on its way out.
    assert "another of 2 processes is gone or does not answer" in said or "(SIGTERM)" in said, said
    print(f"{kind} in process {number}, all gone in {seconds:.1f} s")


def interrupt(folder):
    """A signal to torchrun, as a scheduler sends it, ends both processes with a checkpoint at one step."""
    torchrun = start(folder, "signal", "none")
    try:
        harness.wait_for(folder / "signal" / "checkpoints" / f"{20 * harness.BATCH:09d}", 60)
        torchrun.send_signal(signal.SIGTERM)
        code = torchrun.wait(30)
    finally:
        torchrun.kill()
    said = (folder / "signal.txt").read_text()
    assert code != 0, said
    assert "stopped at" in said, said
    found = harness.examine(folder / "signal")
    harness.sound(found)
    assert found["verified"][-1] == found["logged"], found
    assert found["stray"] == []


if __name__ == "__main__":
    main(*sys.argv[1:])
