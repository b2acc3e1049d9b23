import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from small import BATCH, pairs, pictures, points, trainer
from torch import Tensor, nn

import ganzoo
from ganzoo import GAN, Trainer
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.loading import open_data
from ganzoo.errors import CallbackError
from ganzoo.metrics.neighbours import nearest_rows
from ganzoo.training.memorising import MemorisationReport, examine, read_report

pytestmark = pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")


class Replays(nn.Module):
    """A generator that gives pictures it holds, chosen by the latent, with some noise added."""

    def __init__(self, held: Tensor, noise: float = 0.0):
        super().__init__()
        self.held, self.noise = nn.Parameter(held), noise

    def forward(self, latent):
        rows = (latent[:, 0].abs() * 1e4).long() % len(self.held)
        rng = torch.Generator().manual_seed(0)
        found = self.held[rows]
        return (found + self.noise * torch.randn(found.shape, generator=rng)).clamp(-1, 1)


def smooth(n, seed):
    """Return n pictures that differ in nine numbers only, so that some lie near each other."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 1, 3, 3, generator=rng) * 255
    fine = nn.functional.interpolate(coarse, size=8, mode="bilinear")
    return table_from_arrays(fine.round().to(torch.uint8))


def replaying(table, noise=0.0):
    held = table.normalise(table.samples)
    return GAN(generator=Replays(held, noise), latent_dim=1, sample_shape=table.sample_shape)


def test_the_nearest_row_is_the_nearest():
    rng = torch.Generator().manual_seed(0)
    samples, pool = torch.randn(50, 6, generator=rng), torch.randn(80, 6, generator=rng)
    distances, rows = nearest_rows(samples, pool)
    every = (samples[:, None] - pool[None]).norm(dim=2)
    assert torch.equal(rows, every.argmin(1))
    torch.testing.assert_close(distances, every.amin(1))
    copies, own = nearest_rows(pool[:5], pool)
    assert copies.tolist() == [0.0] * 5
    assert own.tolist() == list(range(5))
    apart, others = nearest_rows(pool, pool, own=torch.arange(80))
    assert (apart > 0).all()
    assert (others != torch.arange(80)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_blocks_of_rows_give_what_the_whole_gives(monkeypatch, dtype):
    pool = (255 * torch.rand(30, 4, generator=torch.Generator().manual_seed(0))).to(dtype)
    among, own = torch.arange(29, -1, -2), torch.arange(15).flip(0)
    samples = pool[among[own]]
    whole = nearest_rows(samples, pool, among=among, own=own)
    every = (samples[:, None].float() - pool[among][None].float()).norm(dim=2)
    every[torch.arange(15), own] = torch.inf
    assert torch.equal(whole[1], every.argmin(1))
    torch.testing.assert_close(whole[0], every.amin(1))
    for limits in ({"_ROWS": 7}, {"_SAMPLES": 21, "_PICTURES": 11}):
        for name, value in limits.items():
            monkeypatch.setattr(f"ganzoo.metrics.neighbours.{name}", value)
        parts = nearest_rows(samples, pool, among=among, own=own)
        assert torch.equal(whole[0], parts[0])
        assert torch.equal(whole[1], parts[1])


def test_copies_are_told_and_new_pictures_are_not():
    table = smooth(60, seed=0)
    report, figure, pairs_ = examine(replaying(table), table, samples=100)
    assert (report.sample_median, report.ratio, report.nearest, report.very_near) == (0.0, 0.0, 0.0, 1.0)
    assert report.is_suspect
    assert "samples repeat training pictures" in str(report)
    assert report.held_out == "another of 60 training pictures"
    # 8 pairs in a row, pictures of 8 pixels enlarged 8 times; a copy stands beside its original.
    assert pairs_.size == (8 * 130 + 2, 4 * 66 + 2)
    first = pairs_.crop((2, 2, 130, 66))
    assert first.crop((0, 0, 64, 64)).tobytes() == first.crop((64, 0, 128, 64)).tobytes()
    assert figure.size[0] > 300
    fresh, _, _ = examine(replaying(smooth(60, seed=1)), table, samples=100)
    assert not fresh.is_suspect
    assert 0.8 < fresh.ratio < 1.3
    assert fresh.very_near < 0.25
    assert fresh.nearest > 0


def test_duplicates_in_the_data_hide_no_copies():
    """Distances of 0 among the pictures to compare with say nothing of how near a new picture comes."""
    table = smooth(400, seed=0)
    doubled = replace(table, samples=torch.cat([table.samples, table.samples[:15]]))
    half = replaying(replace(table, samples=torch.cat([table.samples[:50], smooth(50, seed=1).samples])))
    report, _, _ = examine(half, doubled, samples=200)
    assert 0.35 < report.very_near < 0.7
    assert report.is_suspect


def test_of_many_pictures_some_are_searched_and_that_is_said(monkeypatch):
    monkeypatch.setattr("ganzoo.training.memorising.POOL", 40)
    monkeypatch.setattr("ganzoo.training.memorising.COMPARED", 20)
    table = smooth(100, seed=0)
    report, _, pairs_ = examine(replaying(table), table, samples=400)
    assert (report.training, report.trained_on) == (40, 100)
    assert "40 of 100 training pictures were searched" in str(report)
    assert report.held_out == "another of 40 training pictures"
    assert report.very_near == pytest.approx(0.4, abs=0.1)  # copies of what was searched
    # The nearest pairs show copies beside their own originals.
    first = pairs_.crop((2, 2, 130, 66))
    assert first.crop((0, 0, 64, 64)).tobytes() == first.crop((64, 0, 128, 64)).tobytes()


def test_distances_are_those_of_the_pixels():
    table = table_from_arrays((28 * torch.arange(10, dtype=torch.uint8))[:, None, None].expand(10, 4, 4))
    grey = replaying(table_from_arrays(torch.full((1, 4, 4), 51, dtype=torch.uint8)))
    report, _, _ = examine(grey, table, samples=3)
    assert report.sample_median == pytest.approx(5 / 255)
    assert report.held_out_median == pytest.approx(28 / 255)
    assert report.distance == "RMS of pixels in [0, 1]"


def test_a_test_split_is_what_samples_are_compared_with(tmp_path):
    for split, seed, count in (("train", 0, 60), ("test", 1, 55)):
        (tmp_path / split).mkdir()
        for number, picture in enumerate(smooth(count, seed).samples):
            Image.fromarray(picture[0].numpy()).save(tmp_path / split / f"{number}.png")
    table = open_data(tmp_path)
    report, _, _ = examine(replaying(table), table, samples=50)
    assert report.held_out == "one of 55 held-out pictures"
    other = table.normalise(open_data(tmp_path, split="test").samples).flatten(1)
    expected = nearest_rows(other, table.normalise(table.samples).flatten(1))[0].median() / 2 / 8
    assert report.held_out_median == pytest.approx(float(expected), rel=1e-5)


def test_data_that_a_judge_knows_is_compared_by_its_features():
    gan = ganzoo.load("dcgan-mnist")
    report, _, _ = examine(gan, ganzoo.Trainer(gan_of(gan), "hinge", "mnist-test", images=1).table, samples=60)
    assert report.distance.startswith("features of judge-mnist-")
    assert 0.5 < report.ratio < 2


def gan_of(gan):
    return ganzoo.load("dcgan-mnist", discriminator=True)


def test_a_run_that_asks_for_it_writes_the_report_at_its_end_and_after_resuming(tmp_path):
    run = tmp_path / "run"
    settings = {"model": "dcgan", "data": pictures(40), "model_args": {"base_channels": 4, "latent_dim": 4}}
    trainer(run, steps=2, callbacks=["memorisation(samples=20)"], **settings).fit()
    report = read_report(run)
    assert isinstance(report, MemorisationReport)
    assert (report.model, report.images, report.samples, report.training) == ("model", 2 * BATCH, 20, 40)
    assert sorted(file.name for file in (run / "memorisation").iterdir()) == [
        "distances.png",
        "pairs.png",
        "report.json",
    ]
    content = (run / "memorisation" / "report.json").read_text()
    assert json.loads(content)["ratio"] == report.ratio
    for file in (run / "memorisation").iterdir():
        file.unlink()
    Trainer.resume(run, data=pictures(40), progress=False).fit()
    assert (run / "memorisation" / "report.json").read_text() == content
    assert read_report(tmp_path) is None


@pytest.mark.parametrize(
    ("run", "changes", "message"),
    [
        (False, {"model": "dcgan", "data": pictures(8), "model_args": {"base_channels": 4}}, "give run="),
        (True, {"data": points()}, "it compares pictures"),
        (
            True,
            {"model": "pix2pix", "data": pairs(), "model_args": {"base_channels": 4}},
            "draws samples without an image",
        ),
    ],
)
def test_what_cannot_be_compared_so_is_refused_before_the_first_step(tmp_path, run, changes, message):
    prepared = trainer(tmp_path / "run" if run else None, steps=1, callbacks=["memorisation"], **changes)
    with pytest.raises(CallbackError, match=message):
        prepared.fit()
    assert prepared.index == 0


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (smooth(1, seed=0).samples, "1 training pictures do not tell how far new ones are; give at least 10"),
        (smooth(9, seed=0).samples, "9 training pictures do not tell how far new ones are; give at least 10"),
        (smooth(1, seed=0).samples.expand(12, -1, -1, -1), "half of the pictures to compare with (another of 12"),
    ],
)
def test_there_is_no_report_on_pictures_that_tell_nothing_of_new_ones(tmp_path, caplog, samples, message):
    settings = {"model": "dcgan", "model_args": {"base_channels": 4, "latent_dim": 4}}
    data = table_from_arrays(samples)
    trainer(tmp_path / "run", steps=1, data=data, callbacks=["memorisation(samples=20)"], **settings).fit()
    said = [record.getMessage() for record in caplog.records if "memorisation" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(f"no report on memorisation: {message}")
    assert not (tmp_path / "run" / "memorisation").exists()
    assert (tmp_path / "run" / "model").exists()
