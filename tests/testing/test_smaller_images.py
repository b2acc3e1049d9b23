"""A generator that makes large pictures of small ones, of any size: the kit, translating, and what it refuses."""

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import ganzoo
from ganzoo.cli import cli
from ganzoo.data.downscaled import downscaled
from ganzoo.data.loading import open_data
from ganzoo.data.pictures import source_from_picture
from ganzoo.data.render import picture
from ganzoo.errors import ConformanceError, InputError, ObjectiveError
from ganzoo.testing import check_architecture, check_loss, loss_checks, plugin_checks

PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import nn

from ganzoo import hookimpl
from ganzoo.errors import ConfigError, ObjectiveError
from ganzoo.losses.term import GeneratorTerm
from ganzoo.models.architecture import Architecture, Condition, Discriminator, Generator


@dataclass(frozen=True, kw_only=True)
class Config:
    channels: int = 1
    size: tuple[int, int] = (16, 16)


class Doubler(Generator):
    takes_any_size = True

    def __init__(self, config):
        super().__init__()
        self.latent_dim, self.sample_shape = 0, (config.channels, *config.size)
        self.condition = Condition.image((config.channels, config.size[0] // 2, config.size[1] // 2))
        self.hidden = nn.Conv2d(config.channels, 4 * config.channels, 3, padding=1)

    def forward(self, latent, condition):
        return F.pixel_shuffle(self.hidden(condition), 2).tanh()


class Judge(Discriminator):
    def __init__(self, config):
        super().__init__()
        self.sample_shape = (config.channels, *config.size)
        self.hidden = nn.Conv2d(config.channels, 4, 4, stride=4)
        self.output = nn.Conv2d(4, 1, 1)

    def features(self, sample):
        return (F.leaky_relu(self.hidden(sample)),)

    def forward(self, sample):
        return self.output(self.features(sample)[-1])


def fit(shape, condition):
    if len(shape) != 3:
        raise ConfigError(f"doubler makes pictures, not {shape}")
    if condition.kind == "image" and condition.shape != (shape[0], shape[1] / 2, shape[2] / 2):
        raise ConfigError(f"doubler doubles, and {condition.shape} is no half of {shape}")
    return {"channels": shape[0], "size": shape[1:]}


@dataclass(frozen=True)
class Colours(GeneratorTerm):
    paired: ClassVar[bool] = True
    network: str
    channels: int = 1

    def value(self, fake, real, target, condition, features):
        if fake.dim() != 4 or fake.shape[1] != self.channels:
            raise ObjectiveError(f"{self.network} looks at pictures of {self.channels} channels, not {fake.shape[1:]}")
        return (fake - target).square().mean()


DOUBLER = Architecture(
    Config, {"generator": Doubler, "discriminator": Judge}, fit, {"generator": ("image",), "discriminator": ("none",)}
)


@hookimpl
def ganzoo_register(registry):
    registry.architecture("doubler", __name__ + ":DOUBLER", summary="doubles")
    registry.loss("colours", __name__ + ":Colours", summary="colours")
"""


@pytest.fixture
def _plugin(site):
    site.install("ganzoo-doubling", PLUGIN)


@pytest.mark.usefixtures("_plugin")
def test_what_makes_large_pictures_of_small_ones_conforms():
    check_architecture("doubler")


@pytest.mark.usefixtures("_plugin")
def test_a_term_that_refuses_other_samples_and_needs_a_name_conforms():
    check_loss("colours", network="judge-mnist")
    for check in plugin_checks("ganzoo-doubling", losses={"colours": {"network": "judge-mnist"}}):
        if check.subject == "ganzoo_doubling/colours":
            check()
    (contract,) = [each for each in loss_checks("colours", network="x", channels=7) if each.name == "contract"]
    with pytest.raises(ConformanceError, match=r"refused for all samples that were tried \(\(2,\): x looks at"):
        contract()


def test_a_generator_that_fits_one_size_must_not_declare_any(site):
    one_size = PLUGIN.replace("self.hidden(condition), 2)", "self.hidden(condition), 2)[:, :, : self.sample_shape[1]]")
    site.install("ganzoo-doubling", one_size)
    with pytest.raises(ConformanceError, match=r"takes_any_size, and makes samples of shape \(4, 1, 16, .*expected"):
        check_architecture("doubler")


@pytest.fixture
def model(_plugin):
    torch.manual_seed(0)
    return ganzoo.create_model("doubler", channels=3)


def images(height, width, n=2):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (5, 9), (40, 3)])
def test_images_of_any_size_are_translated(model, size):
    made = model.translate(images(*size))
    assert made.shape == (2, 3, 2 * size[0], 2 * size[1])
    assert torch.allclose(model.translate(images(*size)[1]), made[1], atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(model.generate(None, images(*size)), made, atol=1e-6)


def test_what_is_no_such_image_is_still_refused(model):
    for bad in (images(8, 8)[:, :2], images(0, 8), 2 * images(5, 5), images(5, 5).to(torch.int64), torch.rand(2, 3, 8)):
        with pytest.raises(InputError):
            model.translate(bad)
    with pytest.raises(InputError, match="expected"):
        model.sample(2, seed=0, condition=images(5, 9))  # samples have the model's own size
    with pytest.raises(
        InputError, match="a picture of 2049x2048 pixels was given to translate; it takes up to 4,194,304"
    ):
        model.translate(torch.zeros(1, 3, 2048, 2049))


def test_pictures_keep_their_size(model):
    photographs = [picture(image) for image in images(6, 10)]
    assert model.translate(photographs[0]).shape == (3, 12, 20)
    assert model.translate(photographs).shape == (2, 3, 12, 20)
    with pytest.raises(InputError, match=r"pictures of different sizes \(.* is one\) were given to translate together"):
        model.translate([*photographs, photographs[0].resize((5, 5))])


def test_the_command_keeps_sizes_unless_told_otherwise(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    picture(images(6, 10)[0]).save(tmp_path / "cat.png")
    for options, size in (((), (20, 12)), (("--resize", "none"), (20, 12)), (("--resize", "crop"), (16, 16))):
        out = tmp_path / "-".join(("out", *options))
        arguments = [
            "translate",
            f"local-dir:{tmp_path / 'model'}",
            str(tmp_path / "cat.png"),
            "--out",
            str(out),
            *options,
        ]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        assert Image.open(out / "cat.png").size == size
    source, told = source_from_picture(tmp_path / "cat.png", (3, 8, 8), None)
    assert told == "10x6 as it is"
    assert torch.equal(source, source_from_picture(picture(images(6, 10)[0]), (3, 8, 8), None)[0])


def test_a_model_of_one_size_says_so(tmp_path):
    gan = ganzoo.create_model("pix2pix", image_size=16, base_channels=4, discriminator_depth=1)
    gan.save_pretrained(tmp_path / "model")
    picture(images(6, 10)[0]).save(tmp_path / "cat.png")
    arguments = [
        "translate",
        f"local-dir:{tmp_path / 'model'}",
        str(tmp_path / "cat.png"),
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(cli, [*arguments, "--resize", "none"])
    assert result.exit_code == 2
    assert "the condition has shape (1, 3, 6, 10)" in result.output
    assert "an image of 3x16x16 for each sample" in result.output


@pytest.mark.usefixtures("_plugin")
def test_a_run_shows_small_pictures_beside_large_ones(tmp_path):
    table = downscaled(open_data("mnist-test"), 2)
    run = tmp_path / "run"
    gan = ganzoo.Trainer(
        "doubler", "non_saturating + l1", table, images=64, batch_size=16, run=run, progress=False
    ).fit()
    assert gan.condition.shape == (1, 14, 14)
    (last,) = sorted((run / "samples").glob("*64.png"))
    # Four columns of source, sample and target, six rows, two pixels between and around.
    assert Image.open(last).size == (4 * (3 * 28 + 2) + 2, 6 * (28 + 2) + 2)
    assert (run / "model" / "samples.png").exists()
    loaded = ganzoo.load(f"local-dir:{run / 'model'}")
    assert loaded.translate(torch.zeros(1, 1, 7, 9)).shape == (1, 1, 14, 18)


@pytest.mark.usefixtures("_plugin")
def test_a_term_that_does_not_go_with_the_data_is_refused_before_the_first_batch():
    table = downscaled(open_data("mnist-test"), 2)
    with pytest.raises(ObjectiveError, match="judge looks at pictures of 3 channels"):
        ganzoo.Trainer("doubler", "non_saturating + colours(judge, channels=3)", table, images=64)
