import pytest

from ganzoo.config import build_config
from ganzoo.errors import ConfigError
from ganzoo.training.settings import Settings, automatic_precision, find_device


def settings(**changes):
    return build_config(Settings, {"images": 1000, **changes}, "training")


@pytest.mark.parametrize(
    "changes",
    [
        {"images": 0},
        {"batch_size": 0},
        {"batch_size": -1},
        {"discriminator_steps": 0},
        {"seed": -1},
        {"ema_half_life_images": -1},
        {"log_every_images": -1},
        {"checkpoint_every_images": -1},
        {"sample_every_images": -1},
        {"keep_checkpoints": 1},
        {"learning_rate": 0.0},
        {"learning_rate": -1e-3},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"discriminator_learning_rate": -1e-3},
        {"discriminator_weight": 0.0},
        {"beta1": 1.0},
        {"beta1": -0.1},
        {"beta2": 1.0},
        {"precision": "fp8"},
        {"learning_rate_decay": "step"},
        {"weights_dtype": "int8"},
        {"images": 1e6},
        {"images": "many"},
        {"batch_size": True},
        {"reuse_fakes": 1},
        {"optimizer": 3},
        {"process_timeout_seconds": 0},
        {"compile": True, "synchronize_batch_norm": True},
    ],
)
def test_refused_by_name(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        settings(**changes)


def test_an_unknown_setting_names_the_near_one():
    with pytest.raises(ConfigError, match="there is no setting 'learning_rat'; did you mean 'learning_rate'"):
        settings(learning_rat=1e-3)
    with pytest.raises(ConfigError, match="'images' is missing"):
        build_config(Settings, {}, "training")


@pytest.mark.parametrize(
    ("images", "batch", "steps", "expected"), [(1000, 64, 1, 16), (64, 64, 1, 1), (1, 64, 1, 1), (1000, 10, 5, 20)]
)
def test_steps_reach_the_budget(images, batch, steps, expected):
    asked = settings(images=images, batch_size=batch, discriminator_steps=steps)
    assert asked.steps == expected
    assert asked.steps * asked.images_per_step >= images


def test_intervals_are_whole_steps():
    asked = settings(batch_size=10, discriminator_steps=2)
    assert [asked.interval(images) for images in (1, 20, 29, 31, 100)] == [1, 1, 1, 2, 5]


def test_resolved_leaves_nothing_to_choose():
    resolved = settings(device="cpu").resolved()
    assert resolved.precision == automatic_precision(find_device("cpu"))
    assert resolved.precision in ("fp32", "bf16")
    assert resolved.discriminator_learning_rate == resolved.learning_rate
    assert (resolved.log_every_images, resolved.checkpoint_every_images, resolved.sample_every_images) == (10, 100, 100)
    assert resolved.resolved() == resolved
    assert build_config(Settings, resolved.to_dict(), "training") == resolved


def test_small_budgets_have_intervals_too():
    assert settings(images=3, device="cpu").resolved().checkpoint_every_images == 1


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", "xpu"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(ConfigError, match="device"):
        settings(device=device).resolved()
