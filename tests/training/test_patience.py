import pytest
from small import BATCH, digest, edit, lines, pictures, stop_at, trainer

import ganzoo
from ganzoo import Trainer
from ganzoo.errors import ConfigError
from ganzoo.training.settings import Settings
from ganzoo.training.status import run_status

pytestmark = pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")

# Steep enough that the number goes up and down within 24 steps.
RISKY = {"steps": 24, "learning_rate": 0.05, "best_by": "high_quality", "evaluate_samples": 300}
RISKY |= {"evaluate_every_images": 2 * BATCH, "ema_half_life_images": 16}
PATIENT = RISKY | {"patience_images": 4 * BATCH}


def numbers(run):
    return [(line["images"], line["high quality"]) for line in lines(run) if "high quality" in line]


def first_plateau(found, patience):
    """Return after how many images a run with such numbers has had patience enough."""
    best, since = float("-inf"), 0
    for images, value in found:
        if images and value > best:
            best, since = value, images
        if images - since >= patience:
            return images
    raise AssertionError("the numbers have no plateau; choose another seed")


@pytest.fixture(scope="module")
def free(tmp_path_factory):
    """Return the numbers of a run that goes on to the end."""
    run = tmp_path_factory.mktemp("free") / "run"
    trainer(run, **RISKY).fit()
    return numbers(run)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a run that stops on its plateau."""
    run = tmp_path_factory.mktemp("whole") / "run"
    trained = trainer(run, **PATIENT)
    trained.fit()
    return run, trained


def test_a_run_stops_where_the_best_number_is_too_old(free, whole):
    run, trained = whole
    end = first_plateau(free, 4 * BATCH)
    assert 4 * BATCH < end < 24 * BATCH  # it did improve before, and did not come to its budget
    assert trained.images == end
    assert numbers(run) == [(images, value) for images, value in free if images <= end]
    assert ganzoo.load(run / "model").config.training["images_shown"] == end
    assert ganzoo.load(run / "best").config.training["images_shown"] == end - 4 * BATCH


def test_a_stopped_run_is_finished_and_resuming_changes_nothing(whole):
    run, trained = whole
    assert run_status(run).state == "finished"
    again = Trainer.resume(run, progress=False)
    again.fit()
    assert again.images == trained.images
    assert digest(again) == digest(trained)


@pytest.mark.parametrize("cut", [1, 3, 5])
@pytest.mark.parametrize("save", [True, False], ids=["checkpoint", "crash"])
def test_a_resumed_run_stops_at_the_same_step_in_the_same_bits(tmp_path, whole, cut, save):
    run = tmp_path / "run"
    stop_at(trainer(run, **PATIENT), cut, save=save)
    resumed = Trainer.resume(run, progress=False)
    resumed.fit()
    assert digest(resumed) == digest(whole[1])
    assert lines(run) == lines(whole[0])


def test_more_patience_goes_on_from_where_it_ended(tmp_path, free, whole):
    run = tmp_path / "run"
    trainer(run, **PATIENT).fit()
    edit(run, lambda config: config["training"].update(patience_images=0))
    resumed = Trainer.resume(run, progress=False)
    resumed.fit()
    assert resumed.images == 24 * BATCH
    assert numbers(run) == free


def test_patience_needs_a_number_to_improve():
    with pytest.raises(ConfigError, match="nothing says what is to improve; give best_by"):
        Settings(images=10, patience_images=5)
    with pytest.raises(ConfigError, match="patience_images is -1"):
        trainer(data=pictures(), patience_images=-1)


def test_a_run_that_kept_no_model_says_that_it_ends(tmp_path, caplog):
    evaluator = trainer(tmp_path / "run", **PATIENT).journal.evaluator
    assert evaluator.best is None
    assert not evaluator.has_plateaued(3 * BATCH)
    assert not caplog.records
    assert evaluator.has_plateaued(4 * BATCH)
    said = "no model was kept as the best by high_quality; training ends after 64 images"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", said)]
