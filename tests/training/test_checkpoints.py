import json
import os
import shutil
import stat
from pathlib import Path

import pytest
import torch
from small import lines, same, stop_at, trainer, warnings_of

from ganzoo import Trainer, files
from ganzoo.errors import CheckpointError, DivergenceError, OutputError
from ganzoo.training.checkpoints import CheckpointStore
from ganzoo.training.run import RunFolder

TENSORS = {"a": torch.arange(4.0), "b": torch.tensor([1, 2])}


def filled(folder, *counts, keep=2):
    store = CheckpointStore(folder, keep)
    for images in counts:
        store.save(images, {**TENSORS, "n": torch.tensor(images)}, {"images": images, "step": images})
    return store


def damage(folder):
    path = folder / "state.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_what_is_saved_is_read_back(tmp_path):
    checkpoint = filled(tmp_path, 7).load_newest()
    assert same(checkpoint.tensors, {**TENSORS, "n": torch.tensor(7)})
    assert checkpoint.state["images"] == 7
    assert sorted(path.name for path in (tmp_path / "000000007").iterdir()) == [
        "MANIFEST.json",
        "state.json",
        "state.safetensors",
    ]
    assert (tmp_path / "latest").read_text() == "000000007\n"


def test_the_manifest_has_size_and_digest_of_each_file(tmp_path):
    filled(tmp_path, 7)
    manifest = json.loads((tmp_path / "000000007" / "MANIFEST.json").read_text())
    assert sorted(manifest) == ["state.json", "state.safetensors"]
    for name, entry in manifest.items():
        path = tmp_path / "000000007" / name
        assert entry == {"size": path.stat().st_size, "sha256": files.sha256(path)}


def test_order_on_disk(tmp_path, monkeypatch):
    """Files are flushed before the folder is renamed, and the rename before `latest` is written and older ones go."""
    done = []

    def name_of(path):
        return Path(path).name.split(".tmp-")[0].removeprefix(".")

    def watched(module, name, describe):
        original = getattr(module, name)

        def call(*arguments, **keywords):
            done.append(describe(*arguments))
            return original(*arguments, **keywords)

        monkeypatch.setattr(module, name, call)

    store = filled(tmp_path, 1, 2)
    watched(os, "fsync", lambda number: ("fsync", name_of(Path(f"/proc/self/fd/{number}").readlink())))
    watched(os, "rename", lambda source, target: ("rename", name_of(target)))
    watched(os, "replace", lambda source, target: ("rename", name_of(target)))
    watched(shutil, "rmtree", lambda path, *_: ("remove", name_of(path)))
    store.save(3, TENSORS, {"images": 3})
    done = [step for step in done if step != ("remove", "000000003")]  # what a failure would have left
    checkpoint, folder = "000000003", tmp_path.name
    assert done == [
        *[
            (what, where)
            for part in ("state.safetensors", "state.json", "MANIFEST.json")
            for what, where in (("fsync", part), ("rename", part), ("fsync", checkpoint))
        ],
        ("rename", checkpoint),
        ("fsync", folder),
        ("fsync", "latest"),
        ("rename", "latest"),
        ("fsync", folder),
        ("remove", "000000001"),
    ]


def test_older_ones_are_pruned(tmp_path):
    assert filled(tmp_path, 1, 2, 3, 4, keep=3).names() == ["000000002", "000000003", "000000004"]


def test_names_are_ordered_as_numbers(tmp_path):
    store = filled(tmp_path, 999_999_999, 1_000_000_000)
    assert store.names() == ["999999999", "1000000000"]
    assert store.load_newest().state["images"] == 1_000_000_000


def test_pruning_keeps_two_that_verify(tmp_path):
    filled(tmp_path, 1, 2)
    damage(tmp_path / "000000002")
    assert filled(tmp_path, 3).names() == ["000000001", "000000002", "000000003"]
    assert filled(tmp_path, 4).names() == ["000000003", "000000004"]


def test_pruning_leaves_a_damaged_newer_one_out_of_account(tmp_path):
    filled(tmp_path, 10, 20, 30)
    damage(tmp_path / "000000030")
    filled(tmp_path, 25)
    assert {"000000020", "000000025"} <= set(CheckpointStore(tmp_path, 2).names())
    assert CheckpointStore(tmp_path, 2).load_newest().state["images"] == 25


def test_falls_back_to_the_one_before_and_says_so(tmp_path, caplog):
    store = filled(tmp_path, 1, 2)
    damage(tmp_path / "000000002")
    assert store.load_newest().state["images"] == 1
    (message,) = warnings_of(caplog)
    assert "checkpoint 000000002 cannot be used (its files are not those of its manifest)" in message


def test_another_checkpoints_folder_is_no_newer_one(tmp_path):
    store = filled(tmp_path, 1, 2)
    shutil.rmtree(tmp_path / "000000002")
    shutil.copytree(tmp_path / "000000001", tmp_path / "000000002")
    assert store.load_newest().state["images"] == 1


def test_none_verifies(tmp_path):
    store = filled(tmp_path, 1, 2)
    for name in store.names():
        damage(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"none of 2 checkpoints verifies.*start the run anew in another folder"):
        store.load_newest()
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        CheckpointStore(tmp_path / "nothing", 2).load_newest()


def test_a_run_is_never_begun_again_in_silence(tmp_path):
    stop_at(trainer(tmp_path / "run", checkpoint_every_images=32), 5)
    for path in (tmp_path / "run" / "checkpoints").glob("0*"):
        damage(path)
    with pytest.raises(CheckpointError):
        Trainer.resume(tmp_path / "run")


def test_a_newer_schema_is_said(tmp_path, caplog):
    store = CheckpointStore(tmp_path, 2)
    store.save(1, TENSORS, {"images": 1, "schema": 99})
    with pytest.raises(CheckpointError):
        store.load_newest()
    assert "it has schema 99, and this version reads 1" in warnings_of(caplog)[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nothing_that_is_not_finite_is_written(tmp_path, value):
    store = filled(tmp_path, 1)
    with pytest.raises(DivergenceError, match=r"at step 2: the tensor 'bad\.weight'"):
        store.save(2, {"bad.weight": torch.tensor([0.0, value])}, {"images": 2, "step": 2})
    with pytest.raises(DivergenceError):
        store.save(2, TENSORS, {"images": 2, "optimizer_numbers": {"x": value}})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000001", "latest"]


def test_a_refusing_disk_leaves_the_older_ones(tmp_path, monkeypatch):
    store = filled(tmp_path, 1)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match=r"checkpoint.*000000002.*No space left"):
        store.save(2, TENSORS, {"images": 2})
    monkeypatch.undo()
    assert store.load_newest().state["images"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000001", "latest"]


def test_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path):
    run = RunFolder(tmp_path)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    left = [
        tmp_path / "checkpoints" / f"000000016.tmp-{pid}-0a1b2c3d",
        tmp_path / "checkpoints" / f".latest.tmp-{pid}-0a1b2c3d",
        tmp_path / "model" / f".generator.safetensors.tmp-{pid}-0a1b2c3d",
        tmp_path / f".config.toml.tmp-{pid}-0a1b2c3d",
        tmp_path / f".config.toml.tmp-{os.getpid()}-0a1b2c3d",  # an earlier life that had this process's number
    ]
    kept = [
        tmp_path / "checkpoints" / f"000000032.tmp-{os.getppid()}-0a1b2c3d",
        tmp_path / "notes.tmp-mine",
        tmp_path / "checkpoints" / "000000016",
    ]
    for path in left + kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if path.name.startswith("0") else path.write_text("x")
    run.sweep()
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


@pytest.mark.parametrize(
    ("umask", "file_mode", "folder_mode"), [(0o077, 0o600, 0o700), (0o002, 0o664, 0o775), (0o022, 0o644, 0o755)]
)
def test_modes_follow_the_umask(tmp_path, umask, file_mode, folder_mode):
    before = os.umask(umask)
    try:
        trainer(tmp_path / "run", steps=2).fit()
    finally:
        os.umask(before)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run").rglob("*")}
    assert len(found) > 10
    assert {mode for path, mode in found.items() if path.is_file()} == {file_mode}
    assert {mode for path, mode in found.items() if path.is_dir()} == {folder_mode}


def test_latest_is_put_right_on_resume(tmp_path):
    run, latest = tmp_path / "run", tmp_path / "run" / "checkpoints" / "latest"
    stop_at(trainer(run, checkpoint_every_images=32), 5)
    assert latest.read_text() == "000000064\n"
    damage(run / "checkpoints" / "000000064")
    resumed = Trainer.resume(run, progress=False)
    stop_at(resumed, resumed.images // 16)
    assert latest.read_text() == "000000032\n"


def test_the_log_drops_broken_lines(tmp_path):
    run = RunFolder(tmp_path)
    for images in (16, 32, 48):
        run.log({"images": images})
    with run.metrics_file.open("a") as file:
        file.write('{"ima{"images": 48}\n[]\n{"step": 3}\n\n{"images": "x"}\n{"images": 32')
    run.cut_log(32)
    assert lines(tmp_path) == [{"images": 16}, {"images": 32}]


def test_a_line_of_the_log_is_whole_or_absent(tmp_path, monkeypatch):
    import resource
    import signal

    run = RunFolder(tmp_path)
    run.log({"images": 16})
    size = run.metrics_file.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, before[1]))
    try:
        with pytest.raises(OSError, match="the disk is full"):
            run.log({"images": 32})
        assert run.metrics_file.stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    run.log({"images": 32})
    assert lines(tmp_path) == [{"images": 16}, {"images": 32}]
