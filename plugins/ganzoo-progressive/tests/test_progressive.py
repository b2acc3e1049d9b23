"""The plugin as a user meets it: it conforms, grows by images without a jump, and resumes to the bit."""

import dataclasses

import pytest
import torch
from ganzoo_progressive.growth import ProgressiveConfig, average, repeat
from ganzoo_progressive.measuring import measure
from ganzoo_progressive.step import ProgressiveStep

import ganzoo
from ganzoo.data.loading import open_data
from ganzoo.errors import ConfigError, ObjectiveError
from ganzoo.testing import architecture_checks, plugin_checks
from ganzoo.training.description import HOUSEKEEPING
from ganzoo.training.fitting import step_for
from ganzoo.training.recipes import read_recipe

SMALL = {"base_channels": 4, "max_channels": 16, "latent_dim": 8}
# Under bfloat16, pixel norm of few channels is off by more than the kit allows.
CONFORMING = {"base_channels": 16, "max_channels": 32, "latent_dim": 8}
SCHEDULE = {"stabilise_images": 100, "fade_images": 200}


@pytest.mark.parametrize("check", plugin_checks("ganzoo-progressive", **CONFORMING), ids=str)
def test_the_plugin_conforms(check):
    check()


# While it grows, layers of later stages take no part yet, so what is asked of every weight cannot hold.
@pytest.mark.parametrize(
    "check",
    [
        check
        for check in architecture_checks("progressive/progressive", **CONFORMING, **SCHEDULE)
        if check.name not in ("gradients", "training")
    ],
    ids=str,
)
def test_the_architecture_conforms_while_it_grows(check):
    check()


def model(images=0, **arguments):
    """Return a model of 16x16 pixels, so of the stages 4, 8 and 16, that has seen so many images."""
    torch.manual_seed(0)
    gan = ganzoo.create_model("progressive", image_size=16, **SMALL, **{**SCHEDULE, **arguments})
    return grown(gan, images)


def grown(gan, images):
    for network in gan.networks.values():
        network.images.fill_(images)
    return gan


def test_the_schedule_by_images():
    config = ProgressiveConfig(image_size=16, **SCHEDULE)
    assert config.stages == [0, 1, 2]
    found = {images: config.position(images) for images in (0, 99, 100, 150, 299, 300, 399, 400, 500, 600, 10**12)}
    assert found == {
        0: (0, 1.0),
        99: (0, 1.0),
        100: (1, 0.0),
        150: (1, 0.25),
        299: (1, 0.995),
        300: (1, 1.0),
        399: (1, 1.0),
        400: (2, 0.0),
        500: (2, 0.5),
        600: (2, 1.0),
        10**12: (2, 1.0),
    }


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({}, [(4, 1.0)] * 3),
        ({"stabilise_images": 10}, [(0, 1.0), (1, 1.0), (2, 1.0)]),  # no fading: a jump
        ({"fade_images": 10}, [(1, 0.0), (2, 0.0), (3, 0.0)]),  # always fading
    ],
)
def test_schedules_of_one_part(schedule, expected):
    config = ProgressiveConfig(image_size=64, **schedule)
    assert [config.position(images) for images in (0, 10, 20)] == expected


def test_without_a_schedule_all_is_in_and_nothing_idle():
    gan = model(stabilise_images=0, fade_images=0)
    assert len(gan.generator.outputs) == len(gan.discriminator.inputs) == 1
    assert len(model().generator.outputs) == len(model().discriminator.inputs) == 3


@pytest.mark.parametrize(("size", "base", "widths"), [(28, (7, 7), [64, 32, 16]), ((16, 24), (4, 6), [64, 32, 16])])
def test_sizes(size, base, widths):
    config = ProgressiveConfig(image_size=size)
    assert (config.base, config.widths) == (base, widths)


@pytest.mark.parametrize("size", [4, 7, 30, (16, 18), 2048, (8, 2048), 0, -8])
def test_sizes_that_are_refused(size):
    with pytest.raises(ConfigError, match=r"b \* 2\^k"):
        ProgressiveConfig(image_size=size)


def test_the_widest_stage_is_bounded():
    assert ProgressiveConfig(image_size=64, base_channels=16, max_channels=100).widths == [100, 100, 64, 32, 16]


@pytest.mark.parametrize(("images", "side"), [(0, 4), (350, 8), (700, 16)])
def test_samples_have_full_size_and_the_detail_of_their_stage(images, side):
    samples = model(images).sample(3, seed=0)
    assert samples.shape == (3, 3, 16, 16)
    small = average(samples, (16 // side).bit_length() - 1)
    assert torch.allclose(repeat(small, (16 // side).bit_length() - 1), samples, atol=1e-6)
    if side < 16:
        finer = average(samples, (8 // side).bit_length() - 1)
        assert torch.allclose(finer, repeat(average(finer, 1), 1), atol=1e-6)
    if side > 4:
        assert not torch.allclose(repeat(average(small, 1), 1), small, atol=1e-2)


@pytest.mark.parametrize("border", [100, 400])
def test_nothing_jumps_where_a_stage_begins(border):
    gan = model().eval()
    latents, pictures = torch.randn(4, 8), torch.rand(4, 3, 16, 16) * 2 - 1
    found = []
    with torch.no_grad():
        for images in (border - 1, border):
            grown(gan, images)
            found.append((gan.generate(latents), gan.discriminator(pictures), gan.generator.as_seen(pictures)))
    assert gan.generator.position[1] == 0.0
    for before, after in zip(*found, strict=True):
        assert torch.equal(before, after)  # to the bit


def test_nothing_jumps_where_a_stage_is_in():
    gan = model().eval()
    latents, pictures = torch.randn(4, 8), torch.rand(4, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        found = []
        for images in (299, 300):
            grown(gan, images)
            found.append((gan.generate(latents), gan.discriminator(pictures)))
        grown(gan, 100)
        travelled = [
            (gan.generate(latents) - found[1][0]).abs().max(),
            (gan.discriminator(pictures) - found[1][1]).abs().max(),
        ]
    for before, after, whole in zip(*found, travelled, strict=True):
        assert 0 < (before - after).abs().max() < whole / 50  # one of 200 parts of the way


def test_half_way_the_picture_is_the_mean_before_tanh():
    gan = model(200).eval()  # stage 1, half in
    generator, latents = gan.generator, torch.randn(2, 8)
    assert generator.position == (1, 0.5)
    with torch.no_grad():
        first = generator.blocks[0](generator.normalize(latents))
        old, new = generator.outputs["0"](first), generator.outputs["1"](generator.blocks[1](first))
        expected = repeat(((repeat(old, 1) + new) / 2).tanh(), 1)
        assert torch.allclose(gan.generate(latents), expected, atol=1e-6)


def test_half_way_real_pictures_are_mixed_like_generated_ones():
    gan, pictures = model(500), torch.rand(2, 3, 16, 16)
    assert gan.generator.position == (2, 0.5)
    assert torch.allclose(gan.generator.as_seen(pictures), (pictures + repeat(average(pictures, 1), 1)) / 2)
    assert torch.equal(grown(gan, 600).generator.as_seen(pictures), pictures)


def test_the_discriminator_cannot_tell_a_picture_from_what_is_seen_of_it_at_its_stage():
    for images in (0, 350, 700):
        gan, pictures = model(images).eval(), torch.rand(2, 3, 16, 16)
        with torch.no_grad():
            seen = gan.generator.as_seen(pictures)
            assert torch.allclose(gan.discriminator(pictures), gan.discriminator(seen), atol=1e-5)


@pytest.mark.parametrize(("images", "share"), [(0, 1 / 16), (350, 1 / 4), (700, 1)])
def test_a_gradient_at_full_size_is_the_stages_own_times_its_share_of_the_pixels(images, share):
    discriminator = model(images).eval().discriminator
    halvings = 2 - discriminator.position[0]
    small = average(torch.rand(2, 3, 16, 16), halvings).requires_grad_()
    full = repeat(small.detach(), halvings).requires_grad_()
    own, whole = (
        torch.autograd.grad(discriminator(pictures).sum(), given)[0].square().sum()
        for pictures, given in ((repeat(small, halvings), small), (full, full))
    )
    assert whole.item() == pytest.approx(own.item() * share, rel=1e-4)


def data(n=24):
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def trainer(images, run=None, objective="non_saturating + r1(gamma=1)", gan=None, **settings):
    named = {} if gan is not None else {"model_args": {**SMALL, "stabilise_images": 8, "fade_images": 16}}
    return ganzoo.Trainer(
        gan or "progressive",
        objective,
        data(),
        images=images,
        batch_size=4,
        run=run,
        value_range=(-1, 1),
        precision="fp32",
        progress=False,
        **named,
        **settings,
    )


def test_training_moves_both_networks_and_the_average_through_the_schedule():
    run = trainer(60)
    assert type(run.step) is ProgressiveStep
    seen = []
    move = run.step.begin
    run.step.begin = lambda index: (move(index), seen.append(run.gan.generator.position))
    gan = run.fit()
    assert seen[:7] == [(0, 1.0), (0, 1.0), (1, 0.0), (1, 0.25), (1, 0.5), (1, 0.75), (1, 1.0)]
    assert seen[8] == (2, 0.0)
    assert gan.generator.images == gan.discriminator.images == run.gan.generator.images == 56
    assert gan.generator.position == (2, 1.0)


@pytest.mark.parametrize(
    "objective",
    ["wasserstein + gradient_penalty", "relativistic + r1 + r2", "non_saturating + r1(gamma=1, every=2)", "hinge"],
)
def test_a_run_through_all_stages_teaches_every_weight(objective):
    run = trainer(60, objective=objective)
    before = {name: {k: v.clone() for k, v in net.named_parameters()} for name, net in run.gan.networks.items()}
    run.fit()
    for name, network in run.gan.networks.items():
        for key, value in network.named_parameters():
            assert value.isfinite().all()
            if value.dim() > 1:
                assert not torch.equal(value, before[name][key]), f"{name} {key}"


def test_a_stage_that_has_not_begun_is_left_alone():
    run = trainer(8)
    before = {key: value.clone() for key, value in run.gan.generator.named_parameters()}
    run.fit()
    same = {key for key, value in run.gan.generator.named_parameters() if torch.equal(value, before[key])}
    later = {key for key in before if key.startswith(("blocks.1", "blocks.2", "outputs.1", "outputs.2"))}
    assert same == later


@pytest.mark.parametrize("stop", [12, 20, 24, 40])  # within a fade, at its end, within a stage, within the next fade
def test_a_run_stopped_anywhere_ends_in_the_same_bits(tmp_path, stop):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    expected = trainer(60, whole).fit()
    trainer(stop, parted).fit()
    config = (parted / "config.toml").read_text()
    (parted / "config.toml").write_text(config.replace(f"images = {stop}", "images = 60"))
    resumed = ganzoo.Trainer.resume(parted, data=data(), value_range=(-1, 1), progress=False)
    assert resumed.gan.generator.images == stop - 4
    found = resumed.fit()
    for name, network in expected.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, found.networks[name].state_dict()[key]), f"{name} {key}"


def test_what_an_augmentation_has_learned_is_kept_too():
    run = trainer(20, augment="ada(p=0.5, rise=100, every=1)")
    run.fit()
    fresh = trainer(20, augment="ada(p=0.5, rise=100, every=1)")
    fresh.step.load_state_dict(run.step.state_dict())
    assert fresh.step.augmenter.state_dict() == run.step.augmenter.state_dict()
    assert run.step.augmenter.state["p"] != 0.5


def test_a_loaded_model_is_where_it_was_and_goes_on_from_there(tmp_path):
    trained = trainer(60).fit()
    trained.save_pretrained(tmp_path, dtype=torch.float16)
    loaded = ganzoo.load(tmp_path, discriminator=True)
    assert loaded.generator.position == loaded.discriminator.position == (2, 1.0)
    assert torch.allclose(loaded.sample(2, seed=0), trained.sample(2, seed=0), atol=0.05)
    tuned = trainer(8, gan=loaded)
    tuned.step.begin(1)
    assert loaded.generator.images == loaded.discriminator.images == 60
    assert tuned.step.state_dict()["earlier_images"] == 56


def test_a_counter_beyond_the_range_of_float16_is_saved_exactly(tmp_path):
    gan = model(10**7 + 1)
    gan.save_pretrained(tmp_path, dtype=torch.float16)
    assert ganzoo.load(tmp_path).generator.images == 10**7 + 1


def test_mixed_architectures():
    """A generator that grows trains against a discriminator of another architecture, which sees what it shows."""
    gan = ganzoo.create_model(
        "progressive",
        image_size=16,
        **SCHEDULE,
        **SMALL,
        discriminator="dcgan",
        discriminator_args={"discriminator_normalization": "none"},
    )
    run = trainer(8, gan=gan)
    run.step.begin(0)
    batch = run.table.batch(torch.arange(4))
    shown = []
    gan.discriminator.register_forward_pre_hook(lambda _, given: shown.append(given[0].detach()))
    run.step.discriminator_losses(batch)
    for pictures in shown[:2]:  # real and generated
        assert torch.allclose(repeat(average(pictures, 2), 2), pictures, atol=1e-6)


def test_labels_reach_both_networks():
    gan = model(700, num_classes=3).eval()
    latents, labels = torch.randn(1, 8).expand(3, -1), torch.arange(3)
    with torch.no_grad():
        pictures = gan.generate(latents, labels)
        logits = gan.discriminator(pictures[:1].expand(3, -1, -1, -1), labels)
    assert len(pictures.flatten(1).unique(dim=0)) == len(logits.unique()) == 3


def test_limits_of_weights_that_are_scaled_when_used_are_refused():
    with pytest.raises(ObjectiveError, match="gradient_penalty or r1"):
        trainer(8, objective="wasserstein + weight_clipping(0.01)")


def test_the_step_is_the_architectures_own():
    gan = model()
    settings = dataclasses.replace(trainer(8).settings)
    assert isinstance(step_for(gan, ganzoo.create_objective("hinge"), settings), ProgressiveStep)


@pytest.mark.slow
def test_the_model_draws_emoji_as_its_card_says():
    gan = ganzoo.load("progressive-openmoji")
    assert gan.generator.position == (3, 1.0)
    recorded = {row["name"]: row for row in gan.config.metrics}
    found = measure(gan, open_data("openmoji-colour-32"), open_data("openmoji-colour-32-test"))
    for row in found:
        assert row["value"] == pytest.approx(recorded[row["name"]]["value"], rel=0.02), row["name"]
    mean, median = recorded["SWD mean"], recorded["to training, median"]
    assert mean["floor"] < mean["value"] < mean["ceiling"] / 2
    assert median["value"] > 0.5 * median["floor"]  # no copies
    assert gan.config.license["weights"] == "CC-BY-SA-4.0"


def test_the_model_was_trained_as_its_recipe_says():
    config = ganzoo.load("progressive/progressive-openmoji", discriminator=True).config
    recipe = read_recipe("progressive-openmoji")
    assert recipe["name"] == config.training["recipe"] == "progressive-openmoji"
    assert str(ganzoo.create_objective(recipe["objective"])) == config.training["objective"]
    for network in config.networks.values():
        assert recipe["model"]["args"].items() <= network.args.items()
    training = {key: value for key, value in recipe["training"].items() if key not in HOUSEKEEPING}
    assert training.items() <= config.training.items()
    assert recipe["license"] == config.license
