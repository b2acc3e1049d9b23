"""What is drawn of a run: of points, pictures, pairs and other samples, at its start, underway and at its end."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from small import BATCH, pairs, pictures, stop_at, trainer

from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.curves import WIDTH
from ganzoo.errors import InputError
from ganzoo.training.progress import COLOURS, _losses, draw_progress, sample_pictures, save_animation
from ganzoo.training.run import RunFolder
from ganzoo.training.status import FIGURES, run_status

EACH = {"sample_every_images": BATCH}
PICTURES = {"model": "dcgan", "model_args": {"base_channels": 4, "latent_dim": 4}, **EACH}
PAIRS = {"model": "pix2pix", "model_args": {"base_channels": 4}, "objective": "non_saturating + 10 * l1", **EACH}


def shown(image):
    """Return how many pixels have the discriminator's colour."""
    return int((np.abs(np.asarray(image).astype(int) - COLOURS["discriminator"][0]).max(axis=2) < 30).sum())


@pytest.mark.parametrize(
    ("data", "settings", "frames"),
    [
        (lambda: "ring", EACH, 5),
        (lambda: pictures(), PICTURES, 5),
        (lambda: pairs(), PAIRS, 5),
        (lambda: table_from_arrays(torch.rand(40, 5), value_range=(0, 1)), {}, 0),  # such samples are not drawn
    ],
)
def test_every_kind_of_run_is_drawn(tmp_path, data, settings, frames):
    trainer(tmp_path / "run", data=data(), steps=4, **settings).fit()
    image = draw_progress(tmp_path / "run")
    assert image.width == WIDTH
    assert shown(image) > 500
    if frames:
        assert save_animation(tmp_path / "run", tmp_path / "a.gif") == frames
        with Image.open(tmp_path / "a.gif") as gif:
            assert gif.n_frames == frames
    else:
        with pytest.raises(InputError, match="no picture"):
            save_animation(tmp_path / "run", tmp_path / "a.gif")
        assert not (tmp_path / "a.gif").exists()


def test_a_run_is_drawn_at_its_start_and_when_stopped(tmp_path):
    run = stop_at(trainer(tmp_path / "run", **EACH), 3)
    with run.run.locked():
        underway = draw_progress(tmp_path / "run")
    stopped = draw_progress(tmp_path / "run")
    assert underway.size == stopped.size
    assert underway.tobytes() != stopped.tobytes()  # its heading says which
    (tmp_path / "run" / "metrics.jsonl").unlink()
    assert shown(draw_progress(tmp_path / "run")) == 0
    shutil.rmtree(tmp_path / "run" / "samples")
    with pytest.raises(InputError, match="nothing to draw"):
        draw_progress(tmp_path / "run")


def test_drawing_changes_nothing_in_the_run(tmp_path):
    trainer(tmp_path / "run", steps=2, **EACH).fit()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    draw_progress(tmp_path / "run")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_curves_are_the_values_of_the_log(tmp_path):
    trainer(tmp_path / "run", objective="non_saturating + r1(gamma=1)").fit()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    curves = {curve.name: curve.values.tolist() for curve in _losses(lines).curves}
    assert curves == {
        "discriminator": [line["discriminator_loss"] for line in lines],
        "its non_saturating": [line["discriminator_non_saturating"] for line in lines],
        "its r1": [line["discriminator_r1"] for line in lines],
        "generator": [line["generator_loss"] for line in lines],
    }


def test_an_evaluation_is_no_gap_in_the_curves(tmp_path):
    log = tmp_path / "run" / "metrics.jsonl"
    settings = {"log_every_images": 2 * BATCH, "evaluate_every_images": BATCH, "evaluate_samples": 50}
    trainer(tmp_path / "run", data="ring", steps=4, **settings).fit()
    drawn, lines = draw_progress(tmp_path / "run"), log.read_text().splitlines(keepends=True)
    logged = [line for line in lines if "generator_loss" in line]
    assert (len(lines), len(logged)) == (7, 2)
    assert set(run_status(tmp_path / "run").figures) == set(FIGURES)
    log.write_text("".join(logged))
    assert drawn.tobytes() == draw_progress(tmp_path / "run").tobytes()


def test_missing_and_other_values_are_gaps_and_a_part_that_is_its_sum_is_left_out():
    lines = [
        {"generator_loss": 1.0, "generator_l1": 1.0, "discriminator_loss": None},
        {"generator_loss": math.nan, "generator_l1": math.nan},
        {"generator_loss": 2, "generator_l1": 2, "discriminator_loss": "x", "generator_gradient_norm": 3.0},
    ]
    curves = {curve.name: curve.values for curve in _losses(lines).curves}
    assert list(curves) == ["discriminator", "generator"]
    assert np.isnan(curves["discriminator"]).all()
    assert curves["generator"][[0, 2]].tolist() == [1, 2]


def test_pictures_are_in_the_order_of_images_and_broken_ones_left_out(tmp_path, caplog):
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in ("1000000000.png", "000000128.png", "000000064.png", "other.png"):
        Image.new("RGB", (4, 4)).save(folder / name)
    (folder / "000000192.png").write_bytes((folder / "000000064.png").read_bytes()[:40])
    assert [images for images, _ in sample_pictures(RunFolder(tmp_path))] == [64, 128, 1000000000]
    assert "000000192.png is left out" in caplog.text
