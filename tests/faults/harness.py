"""Trials that crash, kill, signal or starve a run, and what must be true afterwards.

A trial runs in a forked child of one nursery process that has imported torch already, so it costs no start-up, and it
enters through the command line, so exit codes are those a user sees. Each trial function takes a seed, raises
AssertionError where a promise is broken, and returns where it struck.
"""

import contextlib
import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

BATCH = 16
INTERVAL = 5 * BATCH  # images between two checkpoints
STEPS = 40
ENDLESS = 10**7  # steps of a run that only a signal ends


def arguments(run, steps=STEPS, *more):
    """Return the command line of the smallest run."""
    settings = {
        "log_every_images": 1,
        "sample_every_images": BATCH * 1000,
        "checkpoint_every_images": INTERVAL,
        "batch_size": BATCH,
        "precision": "fp32",
        "device": "cpu",
    }
    widths = {"latent_dim": 4, "generator_widths": "[8]", "discriminator_widths": "[8]"}
    chosen = [part for key, value in settings.items() for part in ("-s", f"{key}={value}")]
    chosen += [part for key, value in widths.items() for part in ("-a", f"{key}={value}")]
    return ["train", "mlp", "--data", "ring", "--images", str(steps * BATCH), "--run", str(run), *chosen, *more]


# The parent's side


class Nursery:
    """A process that starts trials; `isolated` gives it its own mounts, where it is root."""

    def __init__(self, *, isolated=False):
        command = [*(["unshare", "-Urm"] if isolated else []), sys.executable, str(Path(__file__).resolve())]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._ask({"ping": True}) == {"ready": True}

    def _ask(self, request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery is gone"
        return json.loads(answer)

    def start(self, line, *, output, fault=None, mount=None):
        """Start a trial and return its process number.

        Args:
            line: The command line.
            output: The file that takes what it prints.
            fault: What shall go wrong; see `Fault`.
            mount: A folder to put a small disk on first, and its size, such as ("/tmp/x", "64k").
        """
        return self._ask({"start": {"line": line, "output": str(output), "fault": fault, "mount": mount}})["pid"]

    def wait(self, pid):
        """Wait for a trial to end and return its exit code, negative for a signal."""
        return self._ask({"wait": pid})["code"]

    def run(self, line, **keywords):
        """Start a trial, wait for it, and return its exit code."""
        return self.wait(self.start(line, **keywords))

    def close(self):
        """End the nursery."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


# The child's side


class Fault:
    """Strikes at the k-th input or output of a checkpoint, or of every one after it.

    Counted are calls to open, rename, create, remove, chmod and fsync, and the middle of each write.
    """

    EVENTS = frozenset({"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "fsync", "write"})

    def __init__(self, *, save, kind, at=0, number=errno.ENOSPC, lasting=False, limit=0, report=None):
        self.save, self.kind, self.at, self.number, self.lasting = save, kind, at, number, lasting
        self.limit, self.report = limit, report
        self.saves = self.count = 0
        self.armed = False

    def install(self):
        """Watch this process."""
        from ganzoo.training.checkpoints import CheckpointStore

        save, fsync = CheckpointStore.save, os.fsync

        def faulty_save(store, *arguments):
            self.saves += 1
            self.armed = self.saves == self.save or (self.lasting and self.saves > self.save)
            if self.armed and self.kind == "limit":
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, resource.RLIM_INFINITY))
            if self.armed and self.kind == "nobody" and os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            try:
                save(store, *arguments)
            finally:
                self.armed = False
                if self.kind == "limit" and not self.lasting:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                if self.report and self.saves == self.save:
                    Path(self.report).write_text(str(self.count))

        def faulty_fsync(descriptor):
            self.strike("fsync")
            fsync(descriptor)

        def faulty_write(path, content):
            with path.open("wb") as file:
                file.write(content[: len(content) // 2])
                file.flush()
                self.strike("write")
                file.write(content[len(content) // 2 :])

        CheckpointStore.save, os.fsync, Path.write_bytes = faulty_save, faulty_fsync, faulty_write
        sys.addaudithook(lambda event, _: self.strike(event))

    def strike(self, event):
        """Count an event, and let the fault happen if it is its turn."""
        if not self.armed or event not in self.EVENTS or self.kind in ("limit", "nobody"):
            return
        self.count += 1
        if self.count == self.at or (self.lasting and self.count > self.at > 0):
            if self.kind == "exit":
                os._exit(137)
            if self.kind == "error":
                raise OSError(self.number, os.strerror(self.number))


def serve():
    """Start the trials that standard input asks for, one JSON object a line."""
    import tempfile

    import torch

    import ganzoo.gan
    from ganzoo.cli import main

    torch.set_num_threads(1)
    ganzoo.gan.HISTOGRAM = 100  # points in a picture, which would take most of the time
    with contextlib.ExitStack() as quiet:  # what is imported only while a run goes on, the children need not import
        quiet.enter_context(contextlib.redirect_stdout(StringIO()))
        quiet.enter_context(contextlib.redirect_stderr(StringIO()))
        quiet.enter_context(contextlib.suppress(SystemExit))
        main(arguments(Path(quiet.enter_context(tempfile.TemporaryDirectory())) / "run", 1))
    copiers = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            # Through a pipe, because a limit on the size of files would hit what is printed too.
            with Path(request["start"].pop("output")).open("ab") as printed:
                copier = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=printed)
            pid = os.fork()
            if pid == 0:
                _child(copier.stdin.fileno(), **request["start"])
            copier.stdin.close()
            copiers[pid] = copier
            answer = {"pid": pid}
        elif "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            copiers.pop(request["wait"]).wait()
            answer = {"code": os.waitstatus_to_exitcode(status)}
        else:
            answer = {"ready": True}
        print(json.dumps(answer), flush=True)


def _child(output, line, fault, mount):
    code = 70
    try:
        code = _live(output, line, fault, mount)
    except KeyboardInterrupt:  # a second signal, on the way out
        code = 130
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _live(output, line, fault, mount):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if mount:
        folder, size = mount
        Path(folder).mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    if fault:
        Fault(**fault).install()
    try:
        return _perform(line)
    except SystemExit as leaving:
        return leaving.code or 0


def _perform(line):
    if line[0] == "examine":
        Path(line[2]).write_text(json.dumps(examine(Path(line[1]))))
        return 0
    from ganzoo.cli import main

    main(line)
    return 0


# What must be true


def examine(run):
    """Return what a run's folder holds, after reading every checkpoint."""
    from ganzoo.training.checkpoints import CheckpointStore

    store = CheckpointStore(run / "checkpoints", 2)
    latest = run / "checkpoints" / "latest"
    logged = [0]
    if (run / "metrics.jsonl").exists():
        lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
        logged += [json.loads(line)["images"] for line in lines if line.endswith("\n")]
    return {
        "names": [int(name) for name in store.names()],
        "verified": [int(name) for name in store.names() if store._verifies(name)],
        "latest": int(latest.read_text()) if latest.exists() else None,
        "logged": logged[-1],
        "config": (run / "config.toml").exists(),
        "stray": sorted(path.name for path in run.rglob("*.tmp-*")),
        "model": (run / "model" / "config.json").exists(),
    }


def sound(found, *, lost=INTERVAL):
    """Assert that a run that was ended at any moment lost nothing but its latest work."""
    names, verified = found["names"], found["verified"]
    if not found["config"]:
        assert names in ([], [0]), f"checkpoints without a config: {found}"
        return
    assert names, f"a config without a checkpoint: {found}"
    assert names[-1] in verified, f"the newest checkpoint does not verify: {found}"
    assert found["latest"] in verified[-2:], f"latest names an old or damaged one: {found}"
    assert found["logged"] - verified[-1] <= lost, f"more than an interval is lost: {found}"


def complete(run, steps=STEPS):
    """Assert that a run has ended whole, and return a digest of what it made."""
    from ganzoo import files

    found = examine(run)
    assert found["model"], f"no model: {found}"
    assert found["stray"] == [], f"left half-written: {found}"
    assert found["names"][-1] == found["latest"] == found["logged"] == steps * BATCH, f"not at its end: {found}"
    assert len(found["verified"]) >= 2, f"fewer than two checkpoints: {found}"
    newest = run / "checkpoints" / f"{steps * BATCH:09d}" / "state.safetensors"
    return files.sha256(newest), files.sha256(run / "model" / "generator.safetensors")


class Site:
    """A folder for trials, and the result that each must come to: that of a run nobody disturbed."""

    def __init__(self, folder, nursery):
        self.folder, self.nursery = folder, nursery
        started = time.monotonic()
        assert nursery.run(arguments(folder / "whole"), output=folder / "whole.txt") == 0, self.said("whole")
        self.seconds = time.monotonic() - started
        self.result = complete(folder / "whole")

    def said(self, name):
        """Return what a trial printed."""
        path = self.folder / f"{name}.txt"
        return path.read_text() if path.exists() else ""

    def finish(self, name):
        """Go on with a disturbed run, or begin it again if it never began; it must come to the undisturbed result."""
        run = self.folder / name
        line = ["resume", str(run)] if (run / "config.toml").exists() else arguments(run)
        code = self.nursery.run(line, output=self.folder / f"{name}.txt")
        assert code == 0, f"exit code {code}: {self.said(name)}"
        assert complete(run) == self.result, "another result than without the fault"
        self.clear(name)

    def clear(self, name):
        """Remove a trial's files."""
        shutil.rmtree(self.folder / name)
        (self.folder / f"{name}.txt").unlink()


def kill(site, seed):
    """Kill -9 at a random moment."""
    name, rng = f"kill-{seed}", random.Random(seed)
    delay = rng.uniform(0, site.seconds)
    pid = site.nursery.start(arguments(site.folder / name), output=site.folder / f"{name}.txt")
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    site.nursery.wait(pid)
    (site.folder / name).mkdir(exist_ok=True)
    found = examine(site.folder / name)
    sound(found)
    site.finish(name)
    return f"{delay:.3f} s, image {found['logged']}"


def count_operations(site, save):
    """Return how many inputs and outputs a checkpoint consists of."""
    report = site.folder / "count"
    fault = {"save": save, "kind": "count", "report": str(report)}
    assert site.nursery.run(arguments(site.folder / "count-run"), output=site.folder / "count.txt", fault=fault) == 0
    shutil.rmtree(site.folder / "count-run")
    return int(report.read_text())


def crash(site, at, save=4):
    """The process ends at the k-th input or output of a save."""
    name = f"crash-{save}-{at}"
    fault = {"save": save, "kind": "exit", "at": at}
    code = site.nursery.run(arguments(site.folder / name), output=site.folder / f"{name}.txt", fault=fault)
    assert code == 137, f"exit code {code}: {site.said(name)}"
    found = examine(site.folder / name)
    sound(found)
    site.finish(name)
    return f"operation {at} of save {save}"


def refuse(site, name, fault, *, lasting):
    """The disk refuses; training goes on, and the exit code tells whether the last state was saved."""
    run = site.folder / name
    code = site.nursery.run(arguments(run), output=site.folder / f"{name}.txt", fault={**fault, "lasting": lasting})
    found, said = examine(run), site.said(name)
    assert "Traceback" not in said, said
    assert found["names"][-1] in found["verified"], found
    if lasting:
        assert code == 2, f"exit code {code}: {said}"
        assert "training goes on and will try again" in said, said
        assert not found["model"]
        assert found["verified"][-1] < STEPS * BATCH
    else:
        assert code == 0, f"exit code {code}: {said}"
    if code:
        site.finish(name)
    else:
        assert complete(run) == site.result
        site.clear(name)
    return f"{fault}"


SIGNALS = {"SIGTERM": 143, "SIGINT": 130, "SIGUSR1": 0, "double SIGINT": 130}


def interrupt(site, seed):
    """A signal at a random moment saves the state and ends with the right code; a second ends at once."""
    rng = random.Random(seed)
    kind = rng.choice(sorted(SIGNALS))
    name, number = f"signal-{seed}", getattr(signal, kind.split()[-1])
    run, delay = site.folder / name, rng.uniform(0, 0.5)
    pid = site.nursery.start(arguments(run, ENDLESS), output=site.folder / f"{name}.txt")
    wait_for(run / "config.toml")
    time.sleep(delay)
    started = time.monotonic()
    os.kill(pid, number)
    if kind.startswith("double"):
        time.sleep(rng.uniform(0, 0.02))
        os.kill(pid, number)
    code, seconds = site.nursery.wait(pid), time.monotonic() - started
    found, said = examine(run), site.said(name)
    assert code == SIGNALS[kind], f"{kind}: exit code {code}: {said}"
    assert seconds < 10, f"{kind}: {seconds:.1f} s"
    assert "Traceback" not in said, said
    sound(found)
    if not kind.startswith("double"):
        assert found["verified"][-1] == found["logged"], f"{kind}: the state was not saved: {found}"
        assert found["stray"] == []
    site.clear(name)
    return f"{kind} after {delay:.3f} s, gone in {seconds:.2f} s"


def intrude(site, number):
    """A second trainer on one folder stops at once, with one line, and disturbs nothing."""
    name = f"intrude-{number}"
    run, output = site.folder / name, site.folder / f"{name}-second.txt"
    pid = site.nursery.start(arguments(run, ENDLESS), output=site.folder / f"{name}.txt")
    wait_for(run / "config.toml")
    for line in (arguments(run), ["resume", str(run)]):
        started = time.monotonic()
        second = site.nursery.start(line, output=output)
        code, seconds = site.nursery.wait(second), time.monotonic() - started
        assert code == 2, f"exit code {code}: {output.read_text()}"
        assert seconds < 2, f"{seconds:.1f} s"
        said = output.read_text()
        assert "another process trains in" in said, said
        assert "Traceback" not in said, said
        output.unlink()
    os.kill(pid, signal.SIGTERM)
    assert site.nursery.wait(pid) == 143
    sound(examine(run))
    site.clear(name)
    return "both refused"


def wait_for(path, seconds=30):
    """Wait until a file exists."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.002)


# Damaged checkpoints


def _flip(rng, folder, path):
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _truncate(rng, folder, path):
    os.truncate(path, rng.randrange(path.stat().st_size))


def _extend(rng, folder, path):
    with path.open("ab") as file:
        file.write(rng.randbytes(rng.randint(1, 64)))


def _zero(rng, folder, path):
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content))
    zeros = bytes(min(rng.randint(1, 4096), len(content) - start))
    content[start : start + len(zeros)] = zeros if any(content[start : start + len(zeros)]) else b"\1" * len(zeros)
    path.write_bytes(content)


def _replace(rng, folder, path):
    path.write_bytes(rng.choice([b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5000, b"9" * 5000]))


def _huge(rng, folder, path):
    with path.open("r+b") as file:
        file.truncate(2**28)  # sparse


def _remove(rng, folder, path):
    path.unlink()


def _become_folder(rng, folder, path):
    path.unlink()
    path.mkdir()


def _swap_files(rng, folder, path):
    other = rng.choice([each for each in folder.iterdir() if each != path])
    path.rename(folder / "aside")
    other.rename(path)
    (folder / "aside").rename(other)


def _take_from_older(rng, folder, path):
    older = min(each for each in folder.parent.iterdir() if each.is_dir())
    content = (older / path.name).read_bytes()
    if content == path.read_bytes():
        _flip(rng, folder, path)
    else:
        path.write_bytes(content)


def _be_the_older(rng, folder, path):
    older = min(each for each in folder.parent.iterdir() if each.is_dir())
    shutil.rmtree(folder)
    shutil.copytree(older, folder)


MUTATIONS = (
    *[_flip] * 4,
    *[_truncate] * 2,
    _extend,
    _zero,
    _replace,
    _huge,
    _remove,
    _become_folder,
    _swap_files,
    _take_from_older,
    _be_the_older,
)


def mutate(source, folder, seed):
    """A damaged checkpoint is noticed and passed over with a message, and is never loaded.

    Args:
        source: A `checkpoints` folder of two checkpoints.
        folder: Where to work on a copy.
        seed: Which damage.
    """
    import logging

    from ganzoo.errors import CheckpointError
    from ganzoo.training.checkpoints import CheckpointStore

    rng = random.Random(seed)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    store = CheckpointStore(folder, 2)
    older, newer = store.names()
    mutation = rng.choice(MUTATIONS)
    target = rng.choice(sorted((folder / newer).iterdir()))
    if mutation is _huge and target.name == "state.safetensors" and rng.random() < 0.9:
        mutation = _flip  # hashing many large files would take all the time
    mutation(rng, folder / newer, target)
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logging.getLogger("ganzoo").addHandler(handler)
    try:
        where = f"{mutation.__name__.strip('_')} {target.name}"
        found = store.load_newest()
        assert found.state["images"] == int(older), f"{where}: the damaged checkpoint was loaded"
        assert any(f"checkpoint {newer} cannot be used" in message for message in messages), f"{where}: nothing said"
        if rng.random() < 0.1:
            _flip(rng, folder / older, rng.choice(sorted((folder / older).iterdir())))
            with contextlib.suppress(CheckpointError):
                store.load_newest()
                raise AssertionError(f"{where}: both damaged, and one was loaded")
    finally:
        logging.getLogger("ganzoo").removeHandler(handler)
    return where


if __name__ == "__main__":
    serve()
