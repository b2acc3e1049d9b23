import math
import tomllib

import pytest
from small import digest, edit, edit_state, lines, stop_at, trainer

from ganzoo import Trainer
from ganzoo.errors import ConfigError, RunError
from ganzoo.training.schedules import Schedule, decay_factor
from ganzoo.training.settings import Settings

BUDGET, BATCH = 6400, 64  # 100 steps


def factors(**changes):
    settings = Settings(images=BUDGET, batch_size=BATCH, **changes)
    schedule = Schedule(settings)
    return [schedule.factor(index) for index in range(settings.steps)]


@pytest.mark.parametrize("kind", ["none", "linear", "cosine"])
def test_without_warm_up_the_three_formulas_are_used_to_the_bit(kind):
    assert factors(learning_rate_decay=kind) == [decay_factor(kind, index / 100) for index in range(100)]


# What each schedule gives t images into the budget, in closed form.
CLOSED = {
    "none": ({}, lambda t: 1.0),
    "linear": ({}, lambda t: 1 - t / BUDGET),
    "cosine": ({}, lambda t: (1 + math.cos(math.pi * t / BUDGET)) / 2),
    "step": ({"learning_rate_decay_images": 1280, "learning_rate_decay_rate": 0.5}, lambda t: 0.5 ** (t // 1280)),
    "multistep": (
        {"learning_rate_milestones": (1920, 4480)},
        lambda t: 0.1 ** sum(t >= milestone for milestone in (1920, 4480)),
    ),
    "poly": ({"learning_rate_decay_rate": 2.0}, lambda t: (1 - t / BUDGET) ** 2),
    "wsd": (
        {"learning_rate_decay_images": 1600},
        lambda t: 1.0 if t <= BUDGET - 1600 else 1 - math.sqrt((t - BUDGET + 1600) / 1600),
    ),
}


@pytest.mark.parametrize("warm_up", [0, 640])
@pytest.mark.parametrize("kind", CLOSED)
def test_each_schedule_is_its_formula_in_images(kind, warm_up):
    settings, formula = CLOSED[kind]
    found = factors(learning_rate_decay=kind, learning_rate_warmup_images=warm_up, **settings)
    expected = [t / warm_up if t < warm_up else formula(t) for t in range(0, BUDGET, BATCH)]
    assert found == pytest.approx(expected, abs=1e-6)


def test_wsd_falls_over_the_last_fifth_by_default():
    found = factors(learning_rate_decay="wsd")
    assert next(index for index in range(100) if found[index] < 1) == 81
    assert found[80] == 1


def test_tanh_falls_from_one_towards_zero():
    found = factors(learning_rate_decay="tanh")
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.99
    assert found[-1] < 0.02


def test_both_players_follow_it():
    run = trainer(steps=4, learning_rate=1e-3, discriminator_learning_rate=2e-3, learning_rate_warmup_images=32)
    rates = []
    for _ in range(4):
        run._train_step()
        rates.append([player.optimizer.param_groups[0]["lr"] for player in (run.generator, run.discriminator)])
    assert rates == [[0, 0], [5e-4, 1e-3], [1e-3, 2e-3], [1e-3, 2e-3]]


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate_decay": "cosine", "learning_rate_warmup_images": 48},
        {"learning_rate_decay": "multistep", "learning_rate_milestones": [32, 64]},
        {"learning_rate_decay": "wsd", "learning_rate_warmup_images": 16},
        {"learning_rate_decay": "step", "learning_rate_decay_images": 32, "discriminator_steps": 2},
    ],
)
def test_resumes_bit_for_bit(tmp_path, settings):
    whole = trainer(tmp_path / "whole", steps=8, **settings)
    whole.fit()
    stop_at(trainer(tmp_path / "cut", steps=8, **settings), 5, save=True)
    resumed = Trainer.resume(tmp_path / "cut", progress=False)
    assert resumed.settings == whole.settings
    resumed.fit()
    assert (digest(resumed), lines(tmp_path / "cut")) == (digest(whole), lines(tmp_path / "whole"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"learning_rate_decay": "plateau"}, "learning_rate_decay is 'plateau'"),
        ({"learning_rate_decay": "step"}, "takes learning_rate_decay_images"),
        ({"learning_rate_decay": "multistep"}, "takes learning_rate_milestones"),
        ({"learning_rate_decay": "multistep", "learning_rate_milestones": [64, 32]}, "rising numbers"),
        ({"learning_rate_decay": "multistep", "learning_rate_milestones": [0, 32]}, "rising numbers"),
        ({"learning_rate_milestones": [32]}, "learning_rate_decay 'none' has no use for it.*or use multistep"),
        ({"learning_rate_decay_images": 32}, "or use step or wsd"),
        ({"learning_rate_decay": "cosine", "learning_rate_decay_rate": 0.5}, "or use step or multistep or poly"),
        ({"learning_rate_decay": "poly", "learning_rate_decay_rate": 0.0}, "it takes a number above 0"),
        (
            {"learning_rate_decay": "step", "learning_rate_decay_images": 32, "learning_rate_decay_rate": 10.0},
            "rate would rise",
        ),
        ({"learning_rate_warmup_images": -1}, "learning_rate_warmup_images is -1"),
        ({"learning_rate_warmup_images": 96}, "the budget is 96 images; it takes fewer"),
        ({"learning_rate_decay": "wsd", "learning_rate_decay_images": 1000}, "'wsd' cannot be used"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(changes, says):
    with pytest.raises(ConfigError, match=says):
        trainer(steps=6, **changes)


def test_a_run_from_before_there_was_a_setting_goes_on(tmp_path):
    run = tmp_path / "run"
    stop_at(trainer(run, steps=4), 2, save=True)
    new = "learning_rate_warmup_images"
    edit(run, lambda config: config["training"].pop(new))
    edit_state(run, lambda state: state["config"]["training"].pop(new))
    assert new not in tomllib.loads((run / "config.toml").read_text())["training"]
    resumed = Trainer.resume(run, progress=False)
    assert resumed.images == 32
    edit(run, lambda config: config["training"].update({new: 16}))
    with pytest.raises(RunError, match=f"{new} was None and is 16"):
        Trainer.resume(run, progress=False)
