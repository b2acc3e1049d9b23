import itertools
import math

import pytest
import torch
from torch import nn

from ganzoo import create_model
from ganzoo.errors import ConfigError
from ganzoo.models.condition import Condition, condition_of
from ganzoo.models.mlp import MLP, Maxout, MLPConfig
from ganzoo.zoo import create_model_for

SHAPES = [(1,), (2,), (1, 64), (1, 28, 28), (3, 8, 8)]
SMALL = {"latent_dim": 5, "generator_widths": (12, 16), "discriminator_widths": (14, 10)}
ACTIVATIONS = ("relu", "leaky_relu", "maxout")
NORMALIZATIONS = ("none", "batch", "layer", "spectral")


def build(shape=(2,), **arguments):
    torch.manual_seed(0)
    return create_model("mlp", sample_shape=shape, **SMALL | arguments)


def inputs(model, n=6):
    rng = torch.Generator().manual_seed(1)
    labels = torch.arange(n) % model.condition.num_classes if model.condition.num_classes else None
    return torch.randn(n, 5, generator=rng), torch.rand(n, *model.sample_shape, generator=rng) * 2 - 1, labels


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_and_ranges(shape, classes):
    model = build(shape, num_classes=classes)
    latents, samples, labels = inputs(model)
    made = model.generator(latents * 50, labels)
    assert made.shape == (6, *shape)
    assert made.abs().max() <= 1
    assert model.discriminator(samples, labels).shape == (6,)
    features = model.discriminator.features(samples, labels)
    assert isinstance(features, tuple)
    assert [feature.shape for feature in features] == [(6, 14), (6, 10)]


@pytest.mark.parametrize(
    ("activation", "normalization", "output"), list(itertools.product(ACTIVATIONS, NORMALIZATIONS, ("tanh", "linear")))
)
def test_every_choice_learns_everywhere_and_sees_samples_singly(activation, normalization, output):
    model = build(
        (1, 3, 4),
        num_classes=3,
        output=output,
        generator_activation=activation,
        generator_normalization=normalization,
        discriminator_activation=activation,
        discriminator_normalization=normalization,
        maxout_pieces=3,
    )
    latents, samples, labels = inputs(model)
    # In eval mode a sample does not depend on those beside it.
    together = model.generator(latents, labels)
    singly = torch.cat([model.generator(latents[i : i + 1], labels[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(together, singly, rtol=0, atol=1e-5)
    logits = torch.cat([model.discriminator(samples[i : i + 1], labels[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(model.discriminator(samples, labels), logits, rtol=0, atol=1e-5)
    model.train()
    (
        model.discriminator(model.generator(latents, labels), labels) - model.discriminator(samples, labels)
    ).sum().backward()
    for name, parameter in model.networks.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    weights = [p for name, p in model.networks.named_parameters() if "weight" in name and p.dim() > 1]
    assert all(weight.grad.abs().max() > 0 for weight in weights)


def test_linear_output_is_not_bounded():
    model = build(output="linear")
    assert model.generator(inputs(model)[0] * 1000).abs().max() > 1


def test_the_label_changes_what_comes_out():
    model = build((1, 64), num_classes=3)
    latents, samples, labels = inputs(model)
    others = (labels + 1) % 3
    assert (model.generator(latents, labels) - model.generator(latents, others)).abs().amax(dim=(1, 2)).min() > 1e-3
    assert (model.discriminator(samples, labels) - model.discriminator(samples, others)).abs().min() > 1e-5


def test_maxout_is_the_largest_of_its_pieces():
    linear = nn.Linear(3, 8)
    x = torch.randn(5, 3)
    expected = torch.stack([linear(x)[:, 4 * unit : 4 * unit + 4].max(dim=1).values for unit in range(2)], dim=1)
    assert torch.equal(Maxout(linear, 4)(x), expected)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("pieces", [0, 4])
def test_number_of_parameters(pieces, classes):
    activation = {"generator_activation": "maxout", "discriminator_activation": "maxout"} if pieces else {}
    model = build((3, 8, 8), num_classes=classes, maxout_pieces=pieces or 5, **activation)
    k = pieces or 1
    generator = (5 + classes + 1) * 12 * k + 2 * 12 + 13 * 16 * k + 2 * 16 + 17 * 192
    discriminator = (192 + classes + 1) * 14 * k + 15 * 10 * k + 11
    assert sum(p.numel() for p in model.generator.parameters()) == generator
    assert sum(p.numel() for p in model.discriminator.parameters()) == discriminator


def test_dropout_is_in_the_discriminator_s_training_alone():
    model = build(discriminator_dropout=0.5)
    samples = inputs(model)[1]
    assert torch.equal(model.discriminator(samples), model.discriminator(samples))
    assert sum(isinstance(module, nn.Dropout) for module in model.discriminator.modules()) == 2
    assert not any(isinstance(module, nn.Dropout) for module in model.generator.modules())
    model.train()
    assert not torch.equal(model.discriminator(samples), model.discriminator(samples))


def test_config_round_trip():
    model = build((3, 8, 8), num_classes=3, output="linear", discriminator_dropout=0.25)
    args = model.config.networks["generator"].args
    assert args["sample_shape"] == [3, 8, 8]
    assert create_model("mlp", **args).config == model.config


def test_a_model_is_fitted_to_data():
    model = create_model_for("mlp", (1, 64), Condition.label(7), **SMALL)
    assert (model.sample_shape, model.condition) == ((1, 64), Condition.label(7))
    assert condition_of(model.discriminator) == Condition.label(7)
    assert MLP.arguments_for((2,), Condition()) == {"sample_shape": (2,), "num_classes": 0}
    assert MLP.arguments_for((2,), Condition.label(3)) == {"sample_shape": (2,), "num_classes": 3}


@pytest.mark.parametrize("condition", [Condition.vector(3), Condition.image((3, 8, 8))], ids=str)
def test_what_it_cannot_be_conditioned_on_is_refused(condition):
    with pytest.raises(
        ConfigError, match=rf"generator of mlp takes no {condition.kind} as its condition \(it takes none or label\)"
    ):
        create_model_for("mlp", (3, 8, 8), condition)


@pytest.mark.parametrize("activation", ["relu", "maxout"])
def test_the_largest_config_can_be_laid_out(activation):
    with torch.device("meta"):
        create_model(
            "mlp",
            sample_shape=(2**14, 2**14),
            latent_dim=2**20,
            num_classes=2**20,
            generator_widths=(2**20, 2**20),
            discriminator_widths=(2**20, 2**20),
            generator_activation=activation,
            discriminator_activation=activation,
            maxout_pieces=2**10,
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_dims": 3}, "mlp: there is no setting 'latent_dims'; did you mean 'latent_dim'"),
        ({"latent_dim": 3.5}, "mlp: latent_dim is '3.5' (float); it takes a whole number"),
        ({"latent_dim": True}, "mlp: latent_dim is 'True' (bool); it takes a whole number"),
        ({"latent_dim": 0}, "mlp: latent_dim is (0,); it takes 1 to 32 whole numbers from 1"),
        ({"sample_shape": ()}, "mlp: sample_shape is ()"),
        ({"sample_shape": (2, 0)}, "mlp: sample_shape is (2, 0)"),
        ({"sample_shape": 2}, "mlp: sample_shape is '2' (int); it takes a list of whole numbers"),
        ({"sample_shape": (2**20,) * 8}, "mlp: sample_shape is (1048576, "),
        ({"maxout_pieces": 1025}, "mlp: maxout_pieces is 1025; it takes 1 to 1024"),
        ({"generator_widths": [2, "3"]}, "mlp: generator_widths is"),
        ({"discriminator_widths": (1,) * 33}, "mlp: discriminator_widths is"),
        ({"num_classes": -1}, "mlp: num_classes is -1"),
        ({"discriminator_dropout": 1.0}, "mlp: discriminator_dropout is 1.0; it takes 0 up to below 1"),
        ({"discriminator_dropout": math.nan}, "mlp: discriminator_dropout is 'nan' (float); it takes a finite number"),
        ({"discriminator_dropout": 10**400}, "it takes a finite number"),
        ({"generator_activation": "gelu"}, "it takes 'relu' or 'leaky_relu' or 'maxout'"),
        ({"output": None}, "it takes 'tanh' or 'linear'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ConfigError) as refused:
        create_model("mlp", **arguments)
    assert message in str(refused.value)


def test_the_config_is_frozen():
    with pytest.raises(AttributeError):
        MLPConfig().latent_dim = 3
