"""Where fine-tuning pays: the data of each row, what is trained first, and the rows themselves."""

import hashlib
import json

import finetuning
import published
import pytest
import torch
from entries import Benchmark
from finetuning_data import COPIES, Case, Cases, open_faces

from ganzoo.data.bundled import mnist_test
from ganzoo.data.table import Table
from ganzoo.training.trainer import Trainer


@pytest.fixture(scope="module")
def few():
    """20 digits as if they were all there is, 60 others held out and 60 more."""
    digits = mnist_test().samples
    return Case(Table(digits[:20], name="sandals-20"), digits[20:80], digits[80:140], "judge-mnist")


def rows(pictures):
    return {hashlib.sha256(bytes(picture.numpy())).hexdigest() for picture in pictures}


def test_faces_that_are_held_out_are_learned_from_by_nothing():
    pytest.importorskip("ganzoo_openmoji")
    faces, others, held_out = open_faces()
    assert (len(faces), len(others), len(held_out)) == (71, 1547, 32)
    assert faces.sample_shape == others.sample_shape == (3, 64, 64)
    assert not rows(held_out) & (rows(faces.samples) | rows(others.samples))
    assert not rows(faces.samples) & rows(others.samples)


def test_new_digits_score_better_than_noise_and_copies_are_found(few):
    real = few.measure_real()
    assert abs(real["KID"]) < 1
    assert real["precision"] > 0.5
    assert 0.2 < real[COPIES] < 0.8
    copies = few._measure(few.few.samples.repeat(5, 1, 1, 1))
    assert copies[COPIES] == 1
    noise = few._measure(torch.randint(0, 256, (60, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte())
    assert noise["KID"] > 10 * max(real["KID"], 0.1)
    assert noise["precision"] < 0.2
    fewer_held_out = Case(few.few, few.held_out[:5], few.unseen, few.judge)
    assert fewer_held_out._measure(few.few.samples)[COPIES] == 1  # each of the few is found
    same = Case(few.few, few.held_out, few.few.samples, few.judge)
    assert COPIES not in same.measure_real()


def test_rows_of_a_data_set_have_the_same_budget_and_batches():
    found = finetuning.entries(1000)
    assert len({entry.name for entry in found}) == len(found) == 11
    assert {(entry.settings["images"], entry.settings["batch_size"]) for entry in found} == {(1000, 32)}
    for entry in found:
        assert entry.pretrained in ("", "dcgan-mnist", *finetuning.PRETRAINING)
        assert ("pretrained" in entry.asked()) == bool(entry.pretrained)


@pytest.mark.parametrize("entry", finetuning.entries(64), ids=lambda entry: entry.name)
def test_each_row_can_be_trained_and_freezes_half_of_the_layers(entry, few, tmp_path):
    shape = (3, 64, 64) if entry.data.startswith("faces") else (1, 28, 28)
    table = Table(torch.zeros(4, *shape, dtype=torch.uint8))
    small = {**finetuning.GREY, "base_channels": 4}
    if entry.pretrained:
        source = Trainer(
            "dcgan", entry.objective, table, images=4, batch_size=4, model_args=small, **finetuning.SCRATCH
        )
        source.fit().save_pretrained(tmp_path)
        trainer = Trainer.from_pretrained(tmp_path, table, objective=entry.objective, callbacks=(), **entry.settings)
        chosen = Trainer.from_pretrained(tmp_path, table, callbacks=(), images=64).settings
        assert trainer.settings.freeze_discriminator_layers == chosen.freeze_discriminator_layers
        assert trainer.settings.learning_rate == chosen.learning_rate
        assert trainer.settings.augment == chosen.augment
    else:
        trainer = Trainer(entry.model, entry.objective, table, model_args=entry.model_args, **entry.settings)
    assert trainer.settings.images == 64
    assert trainer.gan.sample_shape == shape


class OneCase(Cases):
    """The digits as the only case, and others to be learned from first."""

    def __init__(self, few):
        self.cases = {"sandals-20": few}
        self.others = {finetuning.FASHION: Table(mnist_test().samples[200:300], name="others")}


@pytest.mark.slow
def test_a_model_is_trained_once_and_then_fine_tuned(few, tmp_path, monkeypatch):
    tiny = {**finetuning.GREY, "base_channels": 4}
    monkeypatch.setattr(finetuning, "PRETRAINING", {finetuning.FASHION: (tiny, 64)})
    monkeypatch.setattr("finetuning_data.SAMPLES", 40)
    trained = []
    fit = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda trainer: trained.append(trainer.table.name) or fit(trainer))
    benchmark: Benchmark = finetuning.benchmark(OneCase(few), tmp_path, images=64)
    entry = next(entry for entry in benchmark.entries if entry.pretrained == finetuning.FASHION)
    for seed in (2, 1, 1):
        result = published.perform(benchmark, entry, seed, tmp_path / "finetuning")
    assert trained == ["others", "sandals-20", "sandals-20"]
    assert result["asked"]["pretrained"] == finetuning.FASHION
    assert str(tmp_path) not in json.dumps(result)
    assert set(result["numbers"]) == set(finetuning.COLUMNS)
    assert finetuning.draw_sheets(OneCase(few), tmp_path / "finetuning", tmp_path) == []  # seed 0 of a row is shown
    (tmp_path / "finetuning" / entry.name / "1").rename(tmp_path / "finetuning" / entry.name / "0")
    (sheet,) = finetuning.draw_sheets(OneCase(few), tmp_path / "finetuning", tmp_path / "pictures")
    assert sheet.stat().st_size > 1000
    assert "(pictures/finetuning-sandals-20.png)" in finetuning.benchmark(OneCase(few), tmp_path, 64, [sheet]).text
