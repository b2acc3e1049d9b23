import io
import json
import sys

import numpy as np
import pytest
from PIL import Image
from small import BATCH, stop_at, trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from ganzoo import Trainer
from ganzoo.errors import CallbackError, MissingExtraError
from ganzoo.training.tensorboard import TensorBoard

SETTINGS = {"callbacks": ["tensorboard"], "best_by": "modes", "evaluate_samples": 50, "sample_every_images": 2 * BATCH}


def read(folder):
    """Return what TensorBoard shows: (images, value) by tag, and (images, picture)."""
    shown = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()
    scalars = {tag: [(point.step, point.value) for point in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}
    pictures = [(point.step, Image.open(io.BytesIO(point.encoded_image_string))) for point in shown.Images("samples")]
    return scalars, pictures


def logged(run):
    """Return what metrics.jsonl holds, in the same form."""
    found = {}
    for text in (run / "metrics.jsonl").read_text().splitlines():
        line = json.loads(text)
        group = "training" if "generator_loss" in line else "evaluation"
        images = line.pop("images")
        line.pop("step")
        for name, value in line.items():
            found.setdefault(f"{group}/{name}", []).append((images, float(np.float32(value))))
    return found


def check(run, folder):
    scalars, pictures = read(folder)
    assert scalars == logged(run)
    files = sorted((run / "samples").iterdir())
    assert [images for images, _ in pictures] == [int(file.stem) for file in files]
    for (_, picture), file in zip(pictures, files, strict=True):
        assert np.array_equal(np.asarray(picture), np.asarray(Image.open(file).convert("RGB")))


def test_what_it_shows_is_what_the_run_wrote(tmp_path):
    run = tmp_path / "run"
    trainer(run, steps=5, **SETTINGS).fit()
    check(run, run / "tensorboard")
    scalars, _ = read(run / "tensorboard")
    assert [images for images, _ in scalars["training/generator_loss"]] == [16, 32, 48, 64, 80]
    assert [images for images, _ in scalars["evaluation/modes"]] == [0, 16, 32, 48, 64, 80]


def test_resuming_leaves_no_point_twice_and_none_of_later(tmp_path, monkeypatch):
    # Event files of one process and second are numbered, and 10 comes before 9 in the order of names.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(9))
    run = tmp_path / "run"
    settings = SETTINGS | {"best_by": "", "evaluate_every_images": 16}  # no checkpoints but those that are asked for
    stop_at(trainer(run, steps=8, checkpoint_every_images=3 * BATCH, **settings), 5)
    assert read(run / "tensorboard")[0]["training/spread"][-1][0] == 80  # beyond the checkpoint
    resumed = Trainer.resume(run, progress=False)
    assert resumed.images == 48
    stop_at(resumed, 4)
    shown = [images for images, _ in read(run / "tensorboard")[0]["training/spread"]]
    assert shown == [16, 32, 48, 64]  # what was given up is gone while it is not made again
    resumed = Trainer.resume(run, progress=False)
    resumed.fit()
    check(run, run / "tensorboard")


def test_resuming_from_the_start_keeps_the_first_picture(tmp_path):
    run = tmp_path / "run"
    stop_at(trainer(run, steps=3, **SETTINGS | {"best_by": ""}), 2)
    Trainer.resume(run, progress=False).fit()
    check(run, run / "tensorboard")


def test_another_folder_and_what_an_earlier_run_left_there(tmp_path):
    text = f"tensorboard(directory={str(tmp_path / 'events')!r})"
    for name, steps in (("one", 4), ("two", 2)):
        trainer(tmp_path / name, steps=steps, **SETTINGS | {"callbacks": [text]}).fit()
    assert not (tmp_path / "two" / "tensorboard").exists()
    check(tmp_path / "two", tmp_path / "events")


def test_a_run_without_folder_needs_one_for_the_events(tmp_path):
    with pytest.raises(CallbackError, match=r"'tensorboard' failed in on_start.*TensorBoard\(directory"):
        trainer(steps=1, callbacks=["tensorboard"]).fit()
    trainer(steps=1, callbacks=[TensorBoard(tmp_path)]).fit()
    assert read(tmp_path)[0]["training/generator_loss"][0][0] == 16


def test_without_the_package_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r'pip install "torch-ganzoo\[tensorboard\]"'):
        trainer(tmp_path / "run", callbacks=["tensorboard"])
    assert not (tmp_path / "run").exists()
