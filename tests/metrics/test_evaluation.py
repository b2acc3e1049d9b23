import sys
import weakref

import pytest
import torch
from torch import nn

from ganzoo import zoo
from ganzoo.data.table import Table
from ganzoo.data.toy import ring
from ganzoo.errors import DataError, InputError, MissingExtraError, SourceError, UnknownNameError
from ganzoo.gan import GAN
from ganzoo.metrics import fidelity
from ganzoo.metrics.drawing import draw
from ganzoo.metrics.evaluation import evaluate
from ganzoo.metrics.features import BATCH_SIZE
from ganzoo.metrics.reference import open_reference, split_parts
from ganzoo.models.condition import Condition

QUICK = {"metrics": ("frechet", "classes"), "features": "judge-mnist", "samples": 300}


def trained(**arguments):
    """A model that differs from its untrained ceiling."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return zoo.create_model("mlp", **arguments)


def names(report):
    return [measurement.name.partition("[")[0] for measurement in report.measurements]


# Pictures


def test_every_metric_has_floor_ceiling_and_protocol(mlp, mnist_folder, monkeypatch):
    monkeypatch.setattr(fidelity, "KID_SUBSETS", 5)
    report = evaluate(mlp, mnist_folder, features="judge-mnist", samples=1000)
    one = ["FCD", "KID", "precision", "recall", "class KL", "confidence", "nearest ratio", "nearer to train"]
    assert names(report) == one
    for measurement in report.measurements:
        judge = measurement.protocol.features
        assert measurement.name.endswith(f"[{judge}]")
        assert judge.endswith(measurement.protocol.features_sha256[:8])
        assert None not in (measurement.floor, measurement.ceiling)
        assert measurement.protocol.samples == 1000
        assert measurement.protocol.reference == "1200 of mnist, test split"
        assert measurement.protocol.floor == "1000 of the training split against 1200 of the test split"
        assert measurement.protocol.ceiling == "1000 samples of an untrained mlp"
    assert report["FCD"].floor < 0.1 * report["FCD"].value
    assert report["precision"].floor > 0.7
    assert report["confidence"].floor > 0.9
    assert report["class KL"].floor < 0.02
    assert report["nearest ratio"].floor == pytest.approx(1, abs=0.1)
    assert report.notes == ()


def test_both_judges_look_unless_one_is_chosen(mlp, few):
    report = evaluate(mlp, few, metrics=["classes"], samples=50)
    assert names(report) == ["class KL", "confidence"] * 2
    assert [name[:-9] for name in report.class_shares] == ["judge-mnist", "judge-mnist-b"]
    assert all(sum(shares) == pytest.approx(1) for shares in report.class_shares.values())


def test_the_same_seed_gives_the_same_report_and_another_seed_another(few, tmp_path, monkeypatch):
    first = evaluate(trained(), few, **QUICK)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    assert evaluate(trained(), few, **QUICK) == first
    assert evaluate(trained(), few, **QUICK) == first  # from the cache
    other = evaluate(trained(), few, **QUICK, seed=1)
    assert other["FCD"].value != first["FCD"].value
    assert other["FCD"].floor == first["FCD"].floor


def test_an_untrained_model_is_at_its_ceiling(few):
    with torch.random.fork_rng():
        model = zoo.create_model("mlp")
    before = torch.random.get_rng_state()
    report = evaluate(model, few, **QUICK)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert report["FCD"].share_of_ceiling == pytest.approx(1, abs=0.2)


def test_without_a_training_split_the_floor_is_two_halves_and_the_report_says_so(mlp, few):
    report = evaluate(mlp, few, metrics=["frechet", "memorisation"], features="judge-mnist", samples=300)
    assert names(report) == ["FCD"]
    assert "two halves of mnist-few" in report["FCD"].protocol.floor
    assert "no training split" in report.notes[0]


def test_a_conditional_model_has_its_label_accuracy(few):
    report = evaluate(trained(num_classes=10), few, **QUICK)
    accuracy = report["label accuracy"]
    assert accuracy.floor > 0.99
    assert 0 <= accuracy.value < 0.5
    assert accuracy.protocol.labels == "i % 10"


def test_plain_modules_have_no_ceiling(few):
    generator = nn.Sequential(nn.Linear(4, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    report = evaluate(GAN(generator=generator, latent_dim=4, sample_shape=(1, 28, 28)), few, **QUICK)
    assert report.model == "Sequential"
    assert report["FCD"].ceiling is None
    assert report["FCD"].protocol.ceiling == "none"


def test_drawing_rounds_as_saving_does_and_holds_no_more_than_two_batches_of_floats(digits):
    batches = []

    class Source:
        sample_shape, condition = (1, 28, 28), Condition()

        def iter_samples(self, n, *, seed, condition, batch_size):
            assert (condition, batch_size) == (None, BATCH_SIZE)
            for _ in range(0, n, batch_size):
                assert sum(batch() is not None for batch in batches) <= 1
                chunk = torch.rand(batch_size, 1, 28, 28) * 2 - 1
                batches.append(weakref.ref(chunk))
                yield chunk
                del chunk

    drawn = draw(Source(), 4 * BATCH_SIZE, seed=0, data=digits)
    assert drawn.dtype == torch.uint8
    assert len(batches) == 4
    model = trained()
    assert torch.equal(draw(model, 300, seed=1, data=digits), digits.to_data(model.sample(300, seed=1)))


def test_the_parts_of_real_data_are_disjoint(mnist_folder):
    reference = open_reference(mnist_folder)
    parts = split_parts(reference, 10_000)
    assert (len(parts.left), len(parts.right), len(parts.train), len(parts.test_rows)) == (1300, 1200, 1200, 1200)
    rows = torch.cat([parts.left, parts.train]).flatten(1)
    assert len(rows.unique(dim=0)) == len(reference.train.samples.flatten(1).unique(dim=0))


# Points


def test_points_are_held_against_their_modes():
    model = trained(sample_shape=(2,), latent_dim=2)
    report = evaluate(model, "ring")
    assert names(report) == ["modes", "high quality"]
    assert report["modes"].floor == 8
    assert report["high quality"].floor == pytest.approx(0.989, abs=0.01)
    assert report["modes"].protocol.samples == 2500
    assert report["modes"].protocol.quantisation == "float32"


def test_numbers_are_held_against_their_quantiles():
    report = evaluate(trained(sample_shape=(1,), latent_dim=2), "gaussian-1d")
    assert names(report) == ["Wasserstein-1", "mean", "deviation"]
    assert report["Wasserstein-1"].floor < 0.1 < report["Wasserstein-1"].value


# Refusals


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        (
            "mnist-test",
            {"features": "judge-minst"},
            UnknownNameError,
            "did you mean 'judge-mnist'.*inception-v3-compat",
        ),
        ("mnist-test", {"metrics": ["fid"]}, UnknownNameError, "use frechet, kid, precision-recall, classes, memor"),
        ("mnist-test", {"samples": 0}, InputError, "samples is 0; it takes a whole number from 1"),
        ("mnist-test", {"samples": -5}, InputError, "samples is -5; it"),
        ("mnist-test", {"samples": "5"}, InputError, r"samples is '5' \(str\); it"),
        ("mnist-test", {"seed": 1.5}, InputError, r"seed is '1.5' \(float\); it takes a whole number from 0"),
        ("mnist-test", {"metrics": 5}, InputError, r"metrics is '5' \(int\); it takes a list of names, of frechet"),
        ("mnist-test", {"metrics": "kid"}, InputError, r"metrics is 'kid' \(str\); it takes a list"),
        ("mnist-test", {"metrics": [5]}, InputError, "it takes a list of names"),
        ("ring", {"features": "judge-mnist"}, InputError, "ring holds points, which take no metrics and no features"),
        ("ring", {}, InputError, r"samples of shape \(1, 28, 28\), but ring has \(2,\)"),
        ("no-such-data", {}, UnknownNameError, "no-such-data"),
        ("./no-such-folder", {}, DataError, "no-such-folder"),
        (
            torch.zeros(200, 28, 28).byte(),
            {},
            InputError,
            "no judge is known for the data 'data'; choose .* judge-mnist,",
        ),
        (
            torch.zeros(200, 32, 32).byte(),
            {"features": "judge-mnist"},
            InputError,
            "never resizes them, but data holds",
        ),
        (Table(torch.zeros(200, 1, 28, 28)), {"features": "judge-mnist"}, InputError, "uint8 .* torch.float32"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(mlp, data, options, error, message):
    with pytest.raises(error, match=message):
        evaluate(mlp, data, **options)


def test_too_few_samples_are_refused(mlp, few):
    with pytest.raises(InputError, match=r"100 samples .* at least 129"):
        evaluate(mlp, few, **QUICK | {"samples": 100})


def test_without_torch_fidelity_pictures_are_refused_at_once_and_points_are_not(mlp, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setattr(GAN, "iter_samples", None)
    with pytest.raises(MissingExtraError, match=r"pip install"):
        evaluate(mlp, "mnist-test")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    assert names(evaluate(trained(sample_shape=(2,), latent_dim=2), ring())) == ["modes", "high quality"]


def test_inception_without_internet_is_a_typed_error(mlp, monkeypatch):
    import torch_fidelity

    def offline(*arguments):
        raise OSError("no route to host")

    monkeypatch.setattr(torch_fidelity, "FeatureExtractorInceptionV3", offline)
    with pytest.raises(SourceError, match=r"no route to host.*machine with internet"):
        evaluate(mlp, "mnist-test", features="inception-v3-compat")
