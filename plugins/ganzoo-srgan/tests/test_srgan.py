"""The architecture: what a fresh generator gives, what it refuses, and that it keeps ganzoo's contracts."""

import pytest
import torch
import torch.nn.functional as F
from ganzoo_srgan.srgan import PixelShuffleDoubling, SRGANConfig, SRGANGenerator, enlarged
from PIL import Image

import ganzoo
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.downscaled import downscaled
from ganzoo.errors import ConfigError, InputError
from ganzoo.testing import plugin_checks

SMALL = {"base_channels": 4, "blocks": 1, "discriminator_base_channels": 16}


@pytest.mark.parametrize(
    "check", plugin_checks("ganzoo-srgan", losses={"perceptual": {"network": "judge-mnist"}}, **SMALL), ids=str
)
def test_conformance(check):
    check()


def pictures(n=2, channels=3, height=6, width=5, seed=0):
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("factor", [2, 4])
def test_a_fresh_generator_enlarges_bicubically(factor):
    generator = SRGANGenerator(SRGANConfig(image_size=(6 * factor, 5 * factor), factor=factor, **SMALL)).eval()
    with torch.no_grad():
        assert torch.equal(generator(None, pictures()), enlarged(pictures(), factor))


def test_bicubic_enlargement_is_pillow_s():
    whole = (pictures(1)[0] * 50 + 127.5).round()  # Pillow cuts overshoots off between rows and columns
    image = Image.fromarray(whole.to(torch.uint8).permute(1, 2, 0).numpy())
    theirs = torch.frombuffer(bytearray(image.resize((20, 24), Image.Resampling.BICUBIC).tobytes()), dtype=torch.uint8)
    own = enlarged(whole[None] / 127.5 - 1, 4)[0] * 127.5 + 127.5
    assert (own - theirs.reshape(24, 20, 3).permute(2, 0, 1)).abs().max() <= 1.5  # it rounds between them too


def test_bicubic_enlargement_by_hand():
    # Cubic convolution with a = -0.5 at a quarter of a pixel beside the second of four: the weights of the four, and
    # those at an edge over the neighbours that are there.
    line = torch.tensor([[[[0.1, 0.2, 0.4, 0.3]]]]).expand(1, 1, 4, 4)
    weights = torch.tensor([-0.0703125, 0.8671875, 0.2265625, -0.0234375])
    out = enlarged(line, 2)
    assert out.shape == (1, 1, 8, 8)
    assert out[0, 0, 4, 3].item() == pytest.approx((weights * line[0, 0, 0]).sum().item(), abs=1e-6)
    assert torch.allclose(enlarged(torch.full((1, 1, 3, 3), 0.3), 4), torch.tensor(0.3))
    assert enlarged(torch.tensor([[[[-1.0, 1.0, 1.0, -1.0]]]]), 2).abs().max() == 1  # an overshoot is cut off


def test_pixel_shuffle_begins_as_nearest_neighbour_enlargement():
    torch.manual_seed(0)
    doubling = PixelShuffleDoubling(3)
    convolution, _, activation = doubling
    hidden = torch.randn(2, 3, 4, 5)
    plain = F.conv2d(hidden, convolution.weight[::4], convolution.bias[::4], padding=1)  # one of each four channels
    assert torch.allclose(doubling(hidden), activation(F.interpolate(plain, scale_factor=2, mode="nearest")), atol=1e-6)
    assert len(convolution.weight.flatten(1).unique(dim=0)) == 3


def test_pixel_shuffle_lays_four_channels_out_as_four_pixels():
    doubling = PixelShuffleDoubling(1)
    with torch.no_grad():
        doubling[0].weight.zero_()
        doubling[0].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert doubling(torch.zeros(1, 1, 1, 2)).tolist() == [[[[1, 2, 1, 2], [3, 4, 3, 4]]]]


@pytest.mark.parametrize("side", [1, -1])
def test_a_pixel_beyond_the_range_can_come_back_and_is_driven_no_further(side):
    generator = SRGANGenerator(SRGANConfig(image_size=8, factor=2, **SMALL))
    for beyond, direction, expected in ((3, 1, 64), (3, -1, 0), (0.5, 1, 64), (0.5, -1, -64)):
        generator.output.bias.data.fill_(side * beyond)
        generator.output.bias.grad = None
        made = generator(None, torch.zeros(1, 3, 4, 4))
        assert made.unique().tolist() == [side * min(beyond, 1)]
        (side * direction * made.sum()).backward()  # a descent goes to the middle, or away from it
        assert generator.output.bias.grad.tolist() == [side * expected] * 3


@pytest.mark.parametrize("normalization", ["batch", "none"])
def test_pictures_of_any_size_are_enlarged_as_their_parts_are(normalization):
    gan = ganzoo.create_model("srgan", image_size=16, factor=2, normalization=normalization, **SMALL)
    torch.manual_seed(0)
    torch.nn.init.normal_(gan.generator.output.weight, 0, 0.05)
    whole = pictures(1, height=40, width=48)
    made = gan.translate(whole)
    assert made.shape == (1, 3, 80, 96)
    part = gan.translate(whole[:, :, 4:36, 6:44])
    # Beyond the reach of the edges: 4 + 2 + 1 + 1 small pixels, and 4 large ones.
    assert torch.allclose(part[:, :, 24:-24, 24:-24], made[:, :, 32:-32, 36:-32], atol=1e-5)


def test_the_factor_is_that_of_the_data():
    squares = table_from_arrays(torch.zeros(8, 1, 32, 24, dtype=torch.uint8))
    for factor in (2, 4):
        trainer = ganzoo.Trainer(
            "srgan", "non_saturating + l1", downscaled(squares, factor), images=8, batch_size=4, model_args=SMALL
        )
        assert trainer.gan.generator.factor == factor
        assert trainer.gan.condition.shape == (1, 32 // factor, 24 // factor)
        assert trainer.gan.discriminator.condition.kind == "none"


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            (1, 16, 16),
            r"sources and pictures are 1x16x16 and 3x32x32 \(channels x height x width\); sources take the pictures'",
        ),
        ((3, 4, 4), "sources and pictures are 3x4x4 and 3x32x32"),
        ((3, 16, 8), "sources and pictures are 3x16x8 and 3x32x32"),
        ((3, 32, 32), "sources and pictures are 3x32x32 and 3x32x32"),
    ],
)
def test_other_sizes_are_refused_in_a_sentence(sources, message):
    table = table_from_arrays(
        torch.zeros(4, 3, 32, 32, dtype=torch.uint8), sources=torch.zeros(4, *sources, dtype=torch.uint8)
    )
    with pytest.raises(ConfigError, match=message):
        ganzoo.Trainer("srgan", "non_saturating + l1", table, images=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 3}, "factor is '3' .*; it takes 2 or 4"),
        ({"image_size": 30}, "image_size is 30x30 and factor 4; each side takes a multiple of it"),
        ({"image_size": 4}, "image_size is 4x4; each side takes 8 to 1024 pixels"),
        ({"image_size": (64, 2048)}, "image_size is 64x2048"),
        ({"blocks": 0}, "blocks is 0; it takes a whole number from 1 to 256"),
        ({"enlarged": "lanczos"}, "enlarged is 'lanczos'"),
        ({"normalization": "instance"}, "normalization is 'instance'"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        ganzoo.create_model("srgan", **arguments)


def test_without_pairs_or_a_source_it_says_what_to_give():
    with pytest.raises(InputError, match="srgan makes pictures from pictures, and data has none"):
        ganzoo.Trainer(
            "srgan", "non_saturating", table_from_arrays(torch.zeros(4, 1, 16, 16, dtype=torch.uint8)), images=8
        )
    gan = ganzoo.create_model("srgan", image_size=16, **SMALL)
    with pytest.raises(InputError, match="srgan needs an image of 3x4x4 for each sample"):
        gan.generator(None, None)
    with pytest.raises(InputError, match="needs an image of 3x4x4"):
        gan.sample(2, seed=0)
    with pytest.raises(InputError, match=r"expected \(2, 3, 4, 4\)"):
        gan.sample(2, seed=0, condition=torch.zeros(2, 3, 5, 4))


def test_it_learns_what_bicubic_enlargement_cannot_know():
    # Stripes of one pixel, black and white, shifted or not: of the box's mean nothing but grey is left, but for a mark.
    rng = torch.Generator().manual_seed(0)
    squares = torch.randint(0, 2, (64, 1, 8, 8), generator=rng).repeat_interleave(2, 2).repeat_interleave(2, 3)
    table = downscaled(table_from_arrays((squares * 255).to(torch.uint8)), 2, filter="box")
    run = ganzoo.Trainer(
        "srgan",
        "non_saturating + 100 * l1",
        table,
        images=1600,
        batch_size=16,
        model_args=SMALL,
        learning_rate=1e-2,
        ema_half_life_images=0,
        progress=False,
    )
    batch = table.batch(torch.arange(64))
    before = (enlarged(batch.condition, 2) - batch.sample).abs().mean()
    after = (run.fit().translate(batch.condition) - batch.sample).abs().mean()
    assert after < before / 2
