"""Augmentation in training: what the discriminator sees, what a run keeps, and what is refused."""

import json
from itertools import pairwise
from typing import ClassVar

import pytest
import torch
from small import BATCH, described, digest, lines, pairs, pictures, points, same, trainer
from torch import nn

from ganzoo import GAN, Trainer, create_model
from ganzoo.augmentations.parsing import read_augmentation
from ganzoo.data.arrays import table_from_arrays
from ganzoo.errors import ConfigError, RunError, UnknownNameError
from ganzoo.models.architecture import Condition
from ganzoo.training.step import AdversarialStep, train_mode

pytestmark = pytest.mark.filterwarnings("ignore::ganzoo.errors.ModeCollapseWarning")

SMALL = {"base_channels": 4, "latent_dim": 4, "discriminator_normalization": "none"}
PICTURES_ONLY = ["ada", "diffaugment"]
STRONG = ["ada(p=0.8, rise=0)", "diffaugment", "instance_noise(0.3)"]


def dcgan(run=None, **changes):
    return trainer(run, **{"model": "dcgan", "data": pictures(40), "model_args": SMALL, **changes})


class Watching(nn.Module):
    """A discriminator that remembers what it was shown."""

    def __init__(self, shape, condition=None):
        super().__init__()
        self.sample_shape, self.seen = shape, []
        if condition is not None:
            self.condition = condition
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(4), nn.Tanh(), nn.Linear(4, 1))
        self.layers(torch.zeros(2, *shape))

    def features(self, sample, condition=None):
        self.seen.append((sample, condition))
        return (self.layers[:3](sample),)

    def forward(self, sample, condition=None):
        self.seen.append((sample, condition))
        return self.layers(sample).squeeze(1)


class Constant(nn.Module):
    """A generator that makes one picture, which it can change."""

    def __init__(self, picture):
        super().__init__()
        self.picture = nn.Parameter(picture)

    def forward(self, latent):
        return self.picture.expand(len(latent), *self.picture.shape)


def alike(n, **changes):
    """Prepare a run whose data and whose generator make one and the same picture."""
    torch.manual_seed(0)
    picture = (torch.rand(3, 8, 8) * 255).round().to(torch.uint8)
    data = table_from_arrays(picture.expand(n, -1, -1, -1).clone())
    discriminator = Watching((3, 8, 8))
    sample = data.normalise(picture)
    gan = GAN(generator=Constant(sample), discriminator=discriminator, latent_dim=1, sample_shape=(3, 8, 8))
    run = trainer(model=gan, data=data, batch_size=n, images=n, **changes)
    train_mode(discriminator)
    run.step.begin(0)
    return run, discriminator, run.table.batch(torch.arange(n))


def kolmogorov_smirnov(first, second):
    """Return the largest distance of two empirical distribution functions, over its bound at a level of 0.1 %."""
    everything = torch.cat([first, second]).sort().values
    distances = [torch.searchsorted(each.sort().values, everything, right=True) / len(each) for each in (first, second)]
    bound = 1.95 * ((len(first) + len(second)) / (len(first) * len(second))) ** 0.5
    return float((distances[0] - distances[1]).abs().max()) / bound


@pytest.mark.parametrize("text", STRONG)
def test_real_and_fake_are_changed_alike_by_draws_of_their_own(text):
    run, discriminator, batch = alike(600, augment=text)
    run.step.discriminator_losses(batch)
    run.step.generator_losses(batch)
    real, fake, again = (seen for seen, _ in discriminator.seen)
    assert again.requires_grad
    for other in (fake, again):
        changed = (real != other).flatten(1).any(1).float().mean()
        assert changed > 0.9
        for statistic in (
            lambda x: x.mean((1, 2, 3)),
            lambda x: x.std((1, 2, 3)),
            lambda x: x[:, 0, 0, 0],
            lambda x: x[:, 1, 5, 3],
            lambda x: (x[:, 0] - x[:, 2]).mean((1, 2)),
        ):
            assert kolmogorov_smirnov(statistic(real), statistic(other.detach())) < 1


@pytest.mark.parametrize("text", STRONG)
def test_the_generator_learns_through_it(text):
    run, discriminator, batch = alike(32, augment=text)
    losses = run.step.generator_losses(batch)
    (found,) = torch.autograd.grad(sum(losses.values()), run.gan.generator.picture, retain_graph=True)
    ((seen, _),) = discriminator.seen
    ((expected,)) = torch.autograd.grad(
        torch.nn.functional.softplus(-discriminator.layers(seen).squeeze(1)).mean(), run.gan.generator.picture
    )
    assert found.norm() > 0
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("text", ["ada", "ada(p=0, rise=0)", "instance_noise(0)"])
def test_an_augmentation_without_effect_changes_no_bit(text):
    """Also r1 and r2, whose gradients pass through it. Where `ada` adapts, a run this short never leaves p = 0."""
    settings = {"steps": 3, "objective": "non_saturating + r1(1.0) + r2(1.0)"}
    plain, augmented = dcgan(**settings), dcgan(**settings, augment=text)
    for run in (plain, augmented):
        run.fit()
    assert same(plain.gan.networks.state_dict(), augmented.gan.networks.state_dict())


@pytest.mark.parametrize("text", STRONG)
def test_a_penalty_is_of_the_gradient_before_the_augmentation(text):
    run = dcgan(steps=1, objective="non_saturating + r1(2.0)", augment=text, precision="fp64")
    for network in run.gan.networks.values():
        train_mode(network)
    shown = []
    run.gan.discriminator.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    run.step.begin(0)
    batch = run._batches.batch(0, 0)
    losses = run.step.discriminator_losses(batch)
    weight = next(run.gan.discriminator.parameters())
    (gradient,) = torch.autograd.grad(losses["r1"], weight, retain_graph=True)
    assert gradient.norm() > 0
    # The third pass was the penalty's; the same draws again.
    run.step.begin(0)
    run.step.augmenter._draw = 2
    look = run.step.augmenter.held()

    def logits(samples):
        return run.gan.discriminator(look(samples, None, run.gan.discriminator)[0])

    seen = look(batch.sample, None, run.gan.discriminator)[0]
    assert torch.equal(seen, shown[2])
    assert not torch.equal(seen, batch.sample)
    samples = batch.sample.clone().requires_grad_()
    (slope,) = torch.autograd.grad(logits(samples).sum(), samples)
    expected = 2.0 / 2 * slope.flatten(1).square().sum(1).mean()
    assert losses["r1"].item() == pytest.approx(expected.item(), rel=1e-9)


def test_terms_that_compare_features_see_all_under_one_draw():
    run, discriminator, batch = alike(32, augment="diffaugment", objective="non_saturating + feature_matching")
    discriminator.seen.clear()
    run.step.generator_losses(batch)
    logits, *features = [seen for seen, _ in discriminator.seen]
    assert len(features) == 2
    assert torch.allclose(features[0].detach(), features[1].detach())
    assert not torch.allclose(features[0].detach(), logits.detach())


@pytest.mark.parametrize("text", ["ada(p=0.9, rise=0)", "diffaugment"])
def test_a_source_is_moved_with_its_sample_and_not_recoloured(text):
    data = pairs(32, side=16, channels=3)
    data = table_from_arrays(data.samples, sources=data.samples)  # each picture is its own source
    source = Condition.image((3, 16, 16))
    gan = create_model("pix2pix", image_size=16, channels=3, source_channels=3, base_channels=4, discriminator_depth=1)
    discriminator = Watching((3, 16, 16), source)
    gan = GAN(generator=gan.generator, discriminator=discriminator)
    run = trainer(model=gan, data=data, augment=text, batch_size=32, images=32)
    run.step.begin(0)
    batch = run.table.batch(torch.arange(32))
    run.step.discriminator_losses(batch)
    (real, with_real), (_, with_fake) = discriminator.seen
    assert not torch.equal(with_real, batch.condition)
    assert not torch.equal(with_real, with_fake)
    # Alone, the part that moves is what happened to the source.
    still = {"ada(p=0.9, rise=0)": "ada(p=0.9, rise=0, colour=0)", "diffaugment": "diffaugment(0, 0, 0)"}[text]
    quiet = trainer(model=gan, data=data, augment=still, batch_size=32, images=32)
    discriminator.seen.clear()
    quiet.step.begin(0)
    quiet.step.discriminator_losses(batch)
    moved, with_moved = discriminator.seen[0]
    assert torch.equal(moved, with_moved)  # together
    assert torch.equal(with_moved, with_real)
    assert not torch.equal(real, moved)


def test_labels_vectors_and_the_sources_of_generators_alone_are_left_as_they_are():
    data = described(32, side=16)
    run = trainer(model="cgan", data=data, model_args={"base_channels": 4, "latent_dim": 4}, augment="diffaugment")
    seen = []
    run.gan.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    run.step.begin(0)
    batch = run.table.batch(torch.arange(16))
    run.step.discriminator_losses(batch)
    assert torch.equal(seen[0][1], batch.condition)
    assert not torch.equal(seen[0][0], batch.sample)
    pix2pix = create_model(
        "pix2pix", image_size=16, channels=3, source_channels=1, base_channels=4, discriminator_depth=1
    )
    watching = Watching((3, 16, 16))
    gan = GAN(generator=pix2pix.generator, discriminator=watching)
    run = trainer(model=gan, data=pairs(32, side=16), augment="diffaugment")
    run.step.begin(0)
    run.step.discriminator_losses(run.table.batch(torch.arange(16)))
    assert [condition for _, condition in watching.seen] == [None, None]


def test_instance_noise_anneals_with_the_images_shown(tmp_path):
    run = trainer(tmp_path, steps=4, augment="instance_noise(0.4)", discriminator_steps=2)
    assert run.settings.augment == f"instance_noise(deviation=0.4, until={8 * BATCH})"
    run.fit()
    found = [line["augment_deviation"] for line in lines(tmp_path)]
    assert found == pytest.approx([0.4, 0.3, 0.2, 0.1], rel=1e-6)


def test_p_moves_with_the_run_and_is_in_the_log_and_the_checkpoint(tmp_path):
    run = dcgan(tmp_path, steps=8, augment="ada(target=-0.99, rise=256, every=2)")
    run.fit()
    found = [line["augment_p"] for line in lines(tmp_path)]
    assert found[:2] == [0, 0.125]
    assert found == pytest.approx([0, 0.125, 0.125, 0.25, 0.25, 0.375, 0.375, 0.5], abs=0.26)
    assert {abs(b - a) for a, b in pairwise(found)} <= {0, 0.125}
    assert all(-1 <= line["augment_r_t"] <= 1 for line in lines(tmp_path))
    assert float(Trainer.resume(tmp_path, data=pictures(40)).step.augmenter.state["p"]) == found[-1]


def test_r_t_of_least_squares_is_about_a_half():
    settings = {"augment": "ada(rise=16, every=1, p=0.5)", "steps": 1}
    found = []
    for objective in ("least_squares", "non_saturating"):
        run = dcgan(objective=objective, **settings)
        run.step.begin(0)
        run.step.augmenter.observe(torch.full((16,), 0.4))
        found.append(float(run.step.augmenter.numbers()["augment_r_t"]))
    assert found == [-1, 1]


def test_the_setting_is_in_config_toml_with_every_number(tmp_path):
    run = dcgan(tmp_path, steps=1, augment="ada")
    run.fit()
    written = run.config()["training"]["augment"]
    assert read_augmentation(written) == read_augmentation("ada")
    assert "target=0.6" in written
    assert Trainer.resume(tmp_path, data=pictures(40)).settings.augment == written
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["training"]["augment"] == written


def test_another_augmentation_is_another_run(tmp_path):
    dcgan(tmp_path, steps=1, augment="ada").fit()
    text = (tmp_path / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(text.replace("target=0.6", "target=0.5"))
    with pytest.raises(RunError, match=r"training.augment was 'ada\(target=0.6"):
        Trainer.resume(tmp_path, data=pictures(40))


@pytest.mark.parametrize("data", [points(), table_from_arrays(torch.rand(40, 1, 16), value_range=(0, 1))])
@pytest.mark.parametrize("text", PICTURES_ONLY)
def test_what_is_no_picture_is_refused(text, data):
    with pytest.raises(ConfigError, match=f"augment: {text} changes pictures .* use instance_noise"):
        trainer(data=data, augment=text)
    trainer(data=data, augment="instance_noise", steps=1).fit()


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"augment": "adaa"}, UnknownNameError, "no augmentation is named 'adaa'"),
        ({"augment": "ada(target=2)"}, ConfigError, "target is 2.0"),
        ({"augment": 1}, ConfigError, "augment is '1'"),
        ({"augment": "ada", "objective": "wasserstein"}, ConfigError, "wasserstein only compares logits"),
        ({"augment": "ada", "objective": "relativistic"}, ConfigError, "relativistic only compares logits"),
    ],
)
def test_refused_before_the_first_batch(changes, error, says):
    with pytest.raises(error, match=says):
        dcgan(**changes)


def test_a_p_that_stays_goes_with_any_loss():
    dcgan(steps=1, augment="ada(p=0.5, rise=0)", objective="wasserstein").fit()


def test_sources_of_another_size_are_refused():
    class Tall(Watching):
        def __init__(self):
            super().__init__((3, 16, 16), Condition.image((1, 32, 16)))

    class Generator(nn.Module):
        condition = Condition.image((1, 32, 16))

        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 3, 3, stride=(2, 1), padding=1)

        def forward(self, latent, condition):
            return self.layer(condition).tanh()

    data = table_from_arrays(pairs().samples, sources=torch.zeros(40, 1, 32, 16, dtype=torch.uint8))
    gan = GAN(generator=Generator(), discriminator=Tall(), latent_dim=0, sample_shape=(3, 16, 16))
    with pytest.raises(ConfigError, match=r"sources have 32x16 pixels .* where samples have 16x16"):
        trainer(model=gan, data=data, augment="diffaugment")
    trainer(model=gan, data=data, augment="instance_noise", steps=1).fit()


class Plain:
    """A step that looks at nothing."""

    statistics: ClassVar[dict[str, object]] = {}


def test_a_step_that_augments_nothing_is_refused():
    with pytest.raises(ConfigError, match="the step Plain augments nothing; leave out augment, or"):
        dcgan(augment="ada", step=Plain())


def test_a_derived_step_augments():
    class Doubled(AdversarialStep):
        def discriminator_losses(self, batch):
            return {name: 2 * value for name, value in super().discriminator_losses(batch).items()}

    plain = dcgan(steps=1, augment="diffaugment")
    step = Doubled(plain.gan, plain.objective, plain.settings)
    run = trainer(model=plain.gan, data=pictures(40), augment="diffaugment", steps=1, step=step)
    seen = []
    run.gan.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    run.fit()
    assert not torch.equal(seen[0], run._batches.batch(0, 0).sample)


def test_planning_leaves_p_alone():
    run = dcgan(augment="ada(target=-0.99, rise=64, every=1)")
    before = digest(run)
    run.plan()
    assert digest(run) == before
    assert float(run.step.augmenter.state["p"]) == 0
