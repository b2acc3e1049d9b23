import itertools

import pytest
import torch
from torch import nn

from ganzoo import create_model
from ganzoo.errors import ConfigError
from ganzoo.models.condition import Condition, condition_of
from ganzoo.models.dcgan import DCGANConfig, base_and_doublings, nearest_sizes
from ganzoo.zoo import create_model_for

SQUARES = [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256]
SMALL = {"latent_dim": 7, "base_channels": 4}


def is_valid(size):
    """Tell by definition: (height, width) = base * 2^k, the smaller base in 4 to 7, k at least 1, sides 8 to 256."""
    return 8 <= min(size) <= max(size) <= 256 and any(
        size[0] % 2**k == size[1] % 2**k == 0 and 4 <= min(size) // 2**k <= 7 for k in range(1, 7)
    )


def build(size=16, **arguments):
    torch.manual_seed(0)
    return create_model("dcgan", image_size=size, **SMALL | arguments)


def inputs(model, n=4):
    rng = torch.Generator().manual_seed(1)
    classes = model.condition.num_classes
    labels = torch.arange(n) % classes if classes else None
    return torch.randn(n, 7, generator=rng), torch.rand(n, *model.sample_shape, generator=rng) * 2 - 1, labels


def test_valid_squares_are_exactly_these():
    def accepted(side):
        try:
            return bool(base_and_doublings((side, side)))
        except ConfigError:
            return False

    assert [side for side in range(-1, 300) if accepted(side)] == SQUARES
    assert [side for side in range(1, 300) if is_valid((side, side))] == SQUARES


@pytest.mark.parametrize("side", SQUARES)
def test_networks_of_every_valid_side(side):
    with torch.device("meta"):
        model = create_model("dcgan", image_size=side, **SMALL | {"base_channels": 1})
        assert model.generator(torch.empty(2, 7)).shape == (2, 3, side, side)
        assert model.discriminator(torch.empty(2, 3, side, side)).shape == (2,)


@pytest.mark.parametrize(
    ("size", "base", "doublings"),
    [((8, 8), (4, 4), 1), ((28, 28), (7, 7), 2), ((28, 32), (7, 8), 2), ((48, 80), (6, 10), 3), ((96, 64), (6, 4), 4)],
)
def test_sizes_are_split_into_base_and_doublings(size, base, doublings):
    assert base_and_doublings(size) == (base, doublings)
    model = build(size, base_channels=2)
    latents, pictures, _ = inputs(model)
    assert model.generator(latents).shape == (4, 3, *size)
    assert model.discriminator(pictures).shape == (4,)


INVALID = {
    27: [(28, 28), (24, 24)],
    29: [(28, 28), (32, 32)],
    30: [(28, 28), (32, 32)],
    36: [(32, 32), (40, 40)],
    7: [(8, 8)],
    1: [(8, 8)],
    0: [(8, 8)],
    -5: [(8, 8)],
    257: [(256, 256)],
    300: [(256, 256)],
    (28, 30): [(28, 28), (28, 32)],
    (30, 28): [(28, 28), (32, 28)],
    (31, 33): [(32, 32), (28, 32)],
    (64, 100): [(64, 96), (64, 112)],
    (100, 64): [(96, 64), (112, 64)],
    (27, 100): [(28, 100), (24, 100)],
    (300, 20): [(256, 20)],
    (4, 300): [(8, 256)],
}


@pytest.mark.parametrize(("size", "nearest"), INVALID.items(), ids=map(str, INVALID))
def test_an_invalid_size_is_refused_with_the_nearest(size, nearest):
    with pytest.raises(ConfigError) as refused:
        create_model("dcgan", image_size=size)
    assert str(refused.value).endswith("sizes are " + " and ".join(f"{height}x{width}" for height, width in nearest))


def test_the_sizes_named_are_valid_and_the_nearest():
    valid = [size for size in itertools.product(range(8, 58), repeat=2) if is_valid(size)]
    for size in itertools.product(range(5, 46, 2), range(5, 46)):
        if is_valid(size):
            assert base_and_doublings(size)
            continue
        offered = nearest_sizes(size)
        assert set(offered) <= set(valid), size
        distances = [abs(height - size[0]) + abs(width - size[1]) for height, width in offered]
        candidates = [(h, w) for h, w in valid if h == w or size[0] != size[1]]  # square ones to a square
        nearest = min(abs(height - size[0]) + abs(width - size[1]) for height, width in candidates)
        assert distances == sorted(distances), size
        assert distances[0] == nearest, size


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_shapes_and_ranges(channels, classes):
    model = build((16, 20), channels=channels, num_classes=classes)
    latents, pictures, labels = inputs(model)
    made = model.generator(latents * 100, labels)
    assert made.shape == (4, channels, 16, 20)
    assert made.abs().max() <= 1
    assert model.discriminator(pictures, labels).shape == (4,)
    features = model.discriminator.features(pictures, labels)
    assert isinstance(features, tuple)
    assert [feature.shape for feature in features] == [(4, 4, 8, 10), (4, 8, 4, 5)]


@pytest.mark.parametrize("hidden", [{}, {"generator_hidden": 6, "discriminator_hidden": 5}], ids=["plain", "hidden"])
@pytest.mark.parametrize("normalization", ["batch", "spectral", "layer", "none"])
def test_every_normalization_learns_everywhere_and_sees_samples_singly(normalization, hidden):
    model = build(16, num_classes=3, discriminator_normalization=normalization, **hidden)
    latents, pictures, labels = inputs(model)
    singly = [(latents[i : i + 1], pictures[i : i + 1], labels[i : i + 1]) for i in range(4)]
    made = torch.cat([model.generator(latent, label) for latent, _, label in singly])
    torch.testing.assert_close(model.generator(latents, labels), made, rtol=0, atol=1e-5)
    logits = torch.cat([model.discriminator(picture, label) for _, picture, label in singly])
    torch.testing.assert_close(model.discriminator(pictures, labels), logits, rtol=0, atol=1e-5)
    model.train()
    real, fake = model.discriminator(pictures, labels), model.discriminator(model.generator(latents, labels), labels)
    (fake.square().sum() - 2 * real.sum()).backward()
    for name, parameter in model.networks.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # What comes before batch norm in one sample's place can cancel; weights of layers cannot.
        assert parameter.grad.abs().max() > 0 or parameter.dim() == 1, name


def test_discriminator_normalizations_are_in_every_block_but_the_first():
    for normalization, kind in {"batch": nn.BatchNorm2d, "layer": nn.GroupNorm}.items():
        blocks = build(64, discriminator_normalization=normalization).discriminator.blocks
        assert [any(isinstance(module, kind) for module in block) for block in blocks] == [False, True, True, True]
    plain = build(64, discriminator_normalization="none").discriminator
    assert not any(isinstance(module, nn.BatchNorm2d | nn.GroupNorm) for module in plain.modules())


def test_spectral_norm_bounds_every_convolution():
    discriminator = build(64, discriminator_normalization="spectral").discriminator.train()
    for _ in range(30):  # each pass takes one step of the power iteration
        discriminator(torch.zeros(1, 3, 64, 64))
    convolutions = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 5
    for convolution in convolutions:
        assert torch.linalg.matrix_norm(convolution.weight.detach().flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_the_label_changes_what_comes_out():
    model = build(16, num_classes=3)
    latents, pictures, labels = inputs(model)
    model.train()  # where fresh weights of N(0, 0.02) give signals of size 1
    with torch.no_grad():
        first, second = (model.generator(latents, each) for each in (labels, (labels + 1) % 3))
        assert (first - second).abs().amax(dim=(1, 2, 3)).min() > 1e-3
        first, second = (model.discriminator(pictures, each) for each in (labels, (labels + 1) % 3))
        assert (first - second).abs().max() > 1e-5


def test_fresh_weights_are_the_paper_s():
    model = build(64, base_channels=32, latent_dim=100, generator_hidden=64, discriminator_hidden=16)
    for name, module in model.networks.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weight = module.weight
            assert weight.mean().item() == pytest.approx(0, abs=5 * 0.02 / weight.numel() ** 0.5), name
            assert weight.std().item() == pytest.approx(0.02, rel=5 / (2 * weight.numel()) ** 0.5), name
            assert module.bias is None or not module.bias.any(), name
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=5 * 0.02 / module.num_features**0.5), name
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.5), name
            assert not module.bias.any(), name
            assert module.eps == 1e-5


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("discriminator_base", [0, 6])
def test_number_of_parameters(classes, discriminator_base):
    model = build(28, channels=1, num_classes=classes, discriminator_base_channels=discriminator_base)
    # 7x7 -> 14x14 -> 28x28 by way of 8 and 4 channels.
    generator = (7 + classes) * 8 * 49 + 2 * 8 + 8 * 4 * 16 + 2 * 4 + (4 * 1 * 16 + 1)
    width = discriminator_base or 4
    discriminator = ((1 + classes) * width * 16 + width) + width * 2 * width * 16 + 2 * 2 * width + (2 * width * 49 + 1)
    assert sum(p.numel() for p in model.generator.parameters()) == generator
    assert sum(p.numel() for p in model.discriminator.parameters()) == discriminator


def test_hidden_layers_that_see_the_whole_picture():
    model = build(28, channels=1, num_classes=3, generator_hidden=9, discriminator_hidden=11)
    latents, pictures, labels = inputs(model)
    assert model.generator(latents, labels).shape == (4, 1, 28, 28)
    assert [tuple(feature.shape[1:]) for feature in model.discriminator.features(pictures, labels)] == [
        (4, 14, 14),
        (8, 7, 7),
        (11, 1, 1),
    ]
    assert model.discriminator(pictures, labels).shape == (4,)
    generator = (7 + 3) * 9 + 2 * 9 + 9 * 8 * 49 + 2 * 8 + 8 * 4 * 16 + 2 * 4 + (4 * 1 * 16 + 1)
    discriminator = ((1 + 3) * 4 * 16 + 4) + 4 * 8 * 16 + 2 * 8 + (8 * 11 * 49 + 11) + (11 + 1)
    assert sum(p.numel() for p in model.generator.parameters()) == generator
    assert sum(p.numel() for p in model.discriminator.parameters()) == discriminator
    spectral = build(16, discriminator_hidden=11, discriminator_normalization="spectral").discriminator
    assert sum(nn.utils.parametrize.is_parametrized(module) for module in spectral.modules()) == 4


def test_number_of_parameters_of_the_paper_s_size():
    with torch.device("meta"):
        model = create_model("dcgan")
    widths = [512, 256, 128, 64]
    generator = (
        100 * 512 * 16 + sum(a * b * 16 for a, b in itertools.pairwise(widths)) + 2 * sum(widths) + 64 * 3 * 16 + 3
    )
    assert sum(p.numel() for p in model.generator.parameters()) == generator


def test_a_model_is_fitted_to_data():
    model = create_model_for("dcgan", (1, 28, 32), Condition.label(7), **SMALL)
    assert (model.sample_shape, model.condition) == ((1, 28, 32), Condition.label(7))
    assert condition_of(model.discriminator) == Condition.label(7)
    assert create_model_for("dcgan", (1, 28, 32), **SMALL).condition == Condition()
    with pytest.raises(ConfigError, match=r"dcgan takes pictures .* shape \(2,\); use the architecture 'mlp'"):
        create_model_for("dcgan", (2,))


@pytest.mark.parametrize("condition", [Condition.vector(3), Condition.image((3, 28, 32))], ids=str)
def test_what_it_cannot_be_conditioned_on_is_refused(condition):
    with pytest.raises(
        ConfigError, match=rf"generator of dcgan takes no {condition.kind} as its condition \(it takes none or label\)"
    ):
        create_model_for("dcgan", (1, 28, 32), condition)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chanels": 3}, "dcgan: there is no setting 'chanels'; did you mean 'channels'"),
        ({"channels": 5}, "dcgan: channels is 5; it takes a whole number from 1 to 4"),
        ({"channels": "3"}, "dcgan: channels is '3' (str); it takes a whole number"),
        ({"latent_dim": 0}, "dcgan: latent_dim is 0"),
        ({"num_classes": -1}, "dcgan: num_classes is -1"),
        ({"base_channels": 0}, "dcgan: base_channels is 0"),
        ({"base_channels": 2**40}, "dcgan: base_channels is"),
        ({"discriminator_base_channels": -1}, "dcgan: discriminator_base_channels is -1"),
        ({"generator_hidden": -1}, "dcgan: generator_hidden is -1; it takes a whole number from 0"),
        ({"discriminator_hidden": 2**17}, "dcgan: discriminator_hidden is 131072"),
        ({"discriminator_normalization": "instance"}, "it takes 'batch' or 'spectral' or 'layer' or 'none'"),
        ({"image_size": 64.0}, "dcgan: image_size is '64.0' (float)"),
        ({"image_size": (64,)}, "dcgan: image_size is '(64,)' (tuple)"),
        ({"image_size": (64, 64, 64)}, "dcgan: image_size is"),
        ({"image_size": True}, "dcgan: image_size is 'True' (bool)"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ConfigError) as refused:
        create_model("dcgan", **arguments)
    assert message in str(refused.value)


def test_an_int_is_a_square():
    assert DCGANConfig(image_size=32).size == DCGANConfig(image_size=(32, 32)).size == (32, 32)
