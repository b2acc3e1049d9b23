import errno
import json
import shutil
import sys
from contextlib import contextmanager

import pytest
from PIL import Image
from small import BATCH, digest, edit, lines, pairs, pictures, plain_gan, points, stop_at, trainer, warnings_of

import ganzoo
from ganzoo import Trainer
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.bundled import mnist_test
from ganzoo.errors import DataError, InputError, MissingExtraError, RunError, UnknownNameError
from ganzoo.training import recorder
from ganzoo.training.recorder import Recorder
from ganzoo.training.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")

# Steep enough that the number moves up and down within 12 steps.
RISKY = {"steps": 12, "learning_rate": 0.05, "best_by": "high_quality", "evaluate_samples": 300}
RISKY |= {"evaluate_every_images": 2 * BATCH, "ema_half_life_images": 16}


def numbers(run, name="high quality"):
    """Return (images, number) of each evaluation in a run's log."""
    return [(line["images"], line[name]) for line in lines(run) if name in line]


def kept(run):
    """Return the bytes of the best model's weights, and what its config says of it."""
    config = json.loads((run / "best" / "config.json").read_text())
    weights = {file.name: file.read_bytes() for file in (run / "best").glob("*.safetensors")}
    return weights, config["training"]["images_shown"], config["metrics"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a run that was never stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    trained = trainer(run, **RISKY)
    trained.fit()
    return run, digest(trained)


def test_the_best_is_the_first_of_the_highest_and_loads_with_its_number(whole):
    run, _ = whole
    found = numbers(run)
    assert [images for images, _ in found] == [0, 32, 64, 96, 128, 160, 192]
    highest = max(value for images, value in found if images)
    images = next(images for images, value in found if images and value == highest)
    assert 32 < images < 192  # so that it is neither where training began nor where it ended
    gan = ganzoo.load(run / "best", discriminator=True)
    assert gan.config.training["images_shown"] == images
    best = next(each for each in gan.config.metrics if each["name"] == "high quality")
    assert best["value"] == highest
    assert best["protocol"]["samples"] == 300
    again = ganzoo.evaluate(run / "best", "ring", samples=300)["high quality"]
    assert again.value == highest
    assert str(highest)[:4] in (run / "best" / "README.md").read_text()
    last = ganzoo.load(run / "model").config
    assert last.training["images_shown"] == 192
    assert last.metrics == []


@pytest.mark.parametrize("cut", [1, 2, 5, 9, 11])
@pytest.mark.parametrize("save", [True, False], ids=["checkpoint", "crash"])
def test_resumed_keeps_the_same_best(tmp_path, whole, cut, save):
    run = tmp_path / "run"
    stop_at(trainer(run, **RISKY), cut, save=save)
    resumed = Trainer.resume(run, progress=False)
    resumed.fit()
    assert digest(resumed) == whole[1]
    assert lines(run) == lines(whole[0])
    (weights, images, metrics), (expected, expected_images, expected_metrics) = kept(run), kept(whole[0])
    assert weights == expected
    assert (images, metrics) == (expected_images, expected_metrics)


class KilledError(Exception):
    """Stands for a process that ends at once."""


@pytest.mark.parametrize("between", [False, True], ids=["before", "between renames"])
def test_a_kill_before_the_best_is_written_is_made_good_when_resumed(tmp_path, whole, monkeypatch, between):
    run, calls = tmp_path / "run", []
    keep = Recorder.keep

    def die(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            if between:
                shutil.rmtree(run / "best")
            raise KilledError
        return keep(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "keep", die)
        with pytest.raises(KilledError):
            trainer(run, **RISKY).fit()
    resumed = Trainer.resume(run, progress=False)
    best = resumed.journal.evaluator.best.images
    assert best == resumed.images > 0  # the checkpoint says so, and the folder does not yet
    assert not (run / "best").exists() if between else 0 < kept(run)[1] < best
    stop_at(resumed, resumed.images // BATCH)
    assert kept(run)[1] == best
    assert kept(run)[2][1]["value"] == dict(numbers(whole[0]))[best]
    Trainer.resume(run, progress=False).fit()
    assert kept(run) == kept(whole[0])


def test_a_disk_that_refuses_the_best_is_a_warning_and_the_next_better_one_is_tried(tmp_path, monkeypatch, caplog):
    run = tmp_path / "run"
    calls, replacing = [], recorder.replacing_folder

    @contextmanager
    def full(path):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "the disk is full")
        with replacing(path) as folder:
            yield folder

    monkeypatch.setattr(recorder, "replacing_folder", full)
    trained = trainer(run, **RISKY)
    trained.fit()
    assert any("the disk is full" in message for message in warnings_of(caplog))
    assert len(calls) > 2
    assert trained.journal.evaluator.best.images == kept(run)[1]
    assert not list(run.glob("*.tmp-*"))


def test_the_untrained_model_is_measured_and_never_the_best(tmp_path):
    run = tmp_path / "run"
    settings = {"learning_rate": 5.0, "ema_half_life_images": 1}  # such steps only lead away
    trained = trainer(run, steps=2, best_by="modes", evaluate_samples=300, **settings)
    trained.fit()
    values = dict(numbers(run, "modes"))
    assert values[0] > max(values[16], values[32])
    assert trained.journal.evaluator.best.images > 0


def test_evaluating_without_best_keeps_none(tmp_path):
    run = tmp_path / "run"
    trained = trainer(run, steps=4, evaluate_every_images=32, evaluate_samples=50)
    trained.fit()
    assert [images for images, _ in numbers(run, "modes")] == [0, 32, 64]
    assert trained.journal.evaluator.best is None
    assert not (run / "best").exists()


def test_a_tenth_of_the_budget_is_the_interval_of_best():
    asked = [{}, {"best_by": "modes"}, {"best_by": "modes", "evaluate_every_images": 70}, {"evaluate_every_images": 70}]
    found = [Settings(images=1000, device="cpu", **each).resolved().evaluate_every_images for each in asked]
    assert found == [0, 100, 70, 70]


def test_without_a_folder_the_numbers_still_come():
    found = []

    class Notes(ganzoo.Callback):
        def on_evaluate(self, images, numbers):
            found.append((images, sorted(numbers)))

    trainer(steps=2, evaluate_every_images=16, evaluate_samples=50, callbacks=[Notes()]).fit()
    assert found == [(images, ["high quality", "modes"]) for images in (0, 16, 32)]


def test_numbers_on_a_line_and_pairs_have_theirs(tmp_path):
    line = trainer(tmp_path / "line", steps=2, data="gaussian-1d", best_by="Wasserstein-1", evaluate_samples=100)
    line.fit()
    values = dict(numbers(tmp_path / "line", "Wasserstein-1"))
    assert values[kept(tmp_path / "line")[1]] == min(values[16], values[32])
    settings = {"model": "pix2pix", "data": pairs(), "model_args": {"base_channels": 4}}
    settings |= {"objective": "non_saturating + 10 * l1", "steps": 2, "best_by": "absolute error"}
    trainer(tmp_path / "pairs", **settings).fit()
    values = dict(numbers(tmp_path / "pairs", "absolute error"))
    assert list(values) == [0, 16, 32]
    assert values[kept(tmp_path / "pairs")[1]] == min(values[16], values[32])


def few_digits():
    digits = mnist_test()
    return table_from_arrays(digits.samples[:400], digits.labels[:400])


def test_pictures_are_looked_at_by_the_judge_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    trained = trainer(run, steps=2, data=few_digits(), best_by="frechet[judge-mnist]", evaluate_samples=200)
    trained.fit()
    (name,) = [key for key in lines(run)[0] if key.startswith("FCD")]
    assert name.startswith("FCD[judge-mnist-")
    values = dict(numbers(run, name))
    assert trained.journal.evaluator.best.name == name
    assert values[trained.journal.evaluator.best.images] == min(values[16], values[32])
    protocol = ganzoo.load(run / "best").config.metrics[0]["protocol"]
    assert (protocol["samples"], protocol["seed"]) == (200, 0)


def test_what_cannot_be_evaluated_shows_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    prepared = trainer(run, steps=2, data=few_digits(), best_by="FCD[judge-mnist]", evaluate_samples=50)
    with pytest.raises(InputError, match="too few"):
        prepared.fit()
    assert prepared.images == 0
    assert [path.name for path in run.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"best_by": "FDC"}, UnknownNameError, "no number is named 'FDC'; did you mean 'FCD'"),
        ({"best_by": "FCD"}, InputError, "ring cannot be told by 'FCD'; use 'modes' or 'high quality'"),
        ({"best_by": "modes[judge-mnist]"}, InputError, "names features, which only numbers of pictures have"),
        ({"best_by": "modes", "data": points()}, InputError, "nothing that ganzoo measures fits such data"),
        ({"best_by": "confidence", "data": few_digits}, InputError, "cannot be told by 'confidence'; use 'FCD' or"),
        ({"best_by": "FCD[judge]", "data": few_digits}, UnknownNameError, "no judge is named 'judge'"),
        ({"best_by": "FCD", "data": few_digits}, InputError, "no judge is known.*best_by='FID\\[inception"),
        ({"best_by": "FCD[judge-mnist]", "data": pictures}, InputError, "judge-mnist looks at uint8 pictures of shape"),
        ({"best_by": "FCD", "data": pairs, "model": "pix2pix"}, InputError, "use 'absolute error' or 'error over"),
        ({"best_by": "modes", "model": plain_gan}, InputError, "plain modules are in no registry"),
        ({"evaluate_samples": -1}, ganzoo.errors.ConfigError, "evaluate_samples is -1"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path, changes, error, says):
    made = {key: value() if callable(value) else value for key, value in changes.items()}
    if made.get("model") == "pix2pix":
        made |= {"model_args": {"base_channels": 4}}
    with pytest.raises(error, match=says):
        trainer(tmp_path / "run", **made)
    assert not (tmp_path / "run").exists()


def test_the_best_needs_a_folder():
    with pytest.raises(InputError, match=r"give run=\.\.\."):
        trainer(best_by="modes")


def test_without_torch_fidelity_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(MissingExtraError, match=r'pip install "torch-ganzoo\[eval\]"'):
        trainer(tmp_path / "run", data=few_digits(), best_by="FCD[judge-mnist]")


def test_data_without_a_test_split_is_refused(tmp_path):
    folder = tmp_path / "pairs" / "train"
    folder.mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (32, 16), (number, 0, 0)).save(folder / f"{number}.png")
    settings = {"model": "pix2pix", "data": f"pairs:{tmp_path / 'pairs'}", "model_args": {"base_channels": 4}}
    with pytest.raises(DataError, match="test"):
        trainer(tmp_path / "run", best_by="absolute error", **settings)


def test_what_tells_the_best_may_not_change_and_how_often_it_is_told_may(tmp_path, caplog):
    run = tmp_path / "run"
    stop_at(trainer(run, **RISKY), 3, save=True)
    edit(run, lambda config: config["training"].update(evaluate_every_images=48))
    assert Trainer.resume(run, progress=False).settings.evaluate_every_images == 48
    assert any("training.evaluate_every_images was 32 and is 48" in message for message in warnings_of(caplog))
    edit(run, lambda config: config["training"].update(evaluate_every_images=32, best_by="modes"))
    with pytest.raises(RunError, match=r"training\.best_by was 'high_quality' and is 'modes'"):
        Trainer.resume(run, progress=False)
