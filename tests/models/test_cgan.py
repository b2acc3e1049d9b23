import itertools
import subprocess
import sys

import pytest
import torch
from torch import nn

import ganzoo
from ganzoo import create_model
from ganzoo.errors import ConfigError, InputError
from ganzoo.models.cgan import CGAN, CGANConfig
from ganzoo.models.condition import Condition, condition_of
from ganzoo.zoo import create_model_for

SMALL = {"image_size": 16, "latent_dim": 7, "base_channels": 4, "embedding_dim": 5}
KINDS = {"label": {"num_classes": 3}, "vector": {"condition_dim": 6}}
HOW = ["concat", "projection"]
INTO = ["embedding", "one_hot"]


def build(kind="label", **arguments):
    torch.manual_seed(0)
    return create_model("cgan", **SMALL | KINDS[kind] | arguments)


def inputs(model, n=4):
    rng = torch.Generator().manual_seed(1)
    latents = torch.randn(n, model.latent_dim, generator=rng)
    pictures = torch.rand(n, *model.sample_shape, generator=rng) * 2 - 1
    declared = model.condition
    return latents, pictures, others(declared, n, rng)[0]


def others(declared, n, rng):
    """Return conditions, and ones that differ everywhere."""
    if declared.kind == "label":
        labels = torch.arange(n) % declared.num_classes
        return labels, (labels + 1) % declared.num_classes
    vectors = torch.randn(n, *declared.shape, generator=rng)
    return vectors, vectors.roll(1, dims=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("how", "into"), list(itertools.product(HOW, INTO)))
def test_shapes_ranges_and_conditions(kind, how, into):
    model = build(kind, image_size=(16, 20), channels=2, conditioning=how, generator_conditioning=into)
    declared = Condition.label(3) if kind == "label" else Condition.vector(6)
    assert model.condition == condition_of(model.discriminator) == declared
    assert (model.latent_dim, model.sample_shape) == (7, (2, 16, 20))
    assert model.discriminator.sample_shape == (2, 16, 20)
    latents, pictures, condition = inputs(model)
    made = model.generate(latents * 100, condition)
    assert made.shape == (4, 2, 16, 20)
    assert made.abs().max() <= 1
    assert model.discriminator(pictures, condition).shape == (4,)
    features = model.discriminator.features(pictures, condition)
    assert isinstance(features, tuple)
    assert [feature.shape for feature in features] == [(4, 4, 8, 10), (4, 8, 4, 5)]


@pytest.mark.parametrize("normalization", ["batch", "spectral", "layer", "none"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("how", "into"), list(itertools.product(HOW, INTO)))
def test_every_choice_learns_everywhere_and_sees_samples_singly(kind, how, into, normalization):
    hidden = {"generator_hidden": 6, "discriminator_hidden": 5} if into == "one_hot" else {}
    model = build(
        kind, conditioning=how, generator_conditioning=into, discriminator_normalization=normalization, **hidden
    )
    latents, pictures, condition = inputs(model)
    one = [slice(i, i + 1) for i in range(4)]
    made = torch.cat([model.generator(latents[i], condition[i]) for i in one])
    torch.testing.assert_close(model.generator(latents, condition), made, rtol=0, atol=1e-5)
    logits = torch.cat([model.discriminator(pictures[i], condition[i]) for i in one])
    torch.testing.assert_close(model.discriminator(pictures, condition), logits, rtol=0, atol=1e-5)
    model.train()
    fake = model.discriminator(model.generator(latents, condition), condition)
    (fake.square().sum() - 2 * model.discriminator(pictures, condition).sum()).backward()
    for name, parameter in model.networks.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # What comes before batch norm in one sample's place can cancel; weights of layers cannot.
        assert parameter.grad.abs().max() > 0 or parameter.dim() == 1, name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("how", "into"), list(itertools.product(HOW, INTO)))
def test_the_condition_changes_what_comes_out(kind, how, into):
    model = build(kind, conditioning=how, generator_conditioning=into)
    latents, pictures, _ = inputs(model)
    first, second = others(model.condition, 4, torch.Generator().manual_seed(2))
    model.train()  # where fresh weights of N(0, 0.02) give signals of size 1
    with torch.no_grad():
        made, differently = (model.generator(latents, each) for each in (first, second))
        assert (made - differently).abs().amax(dim=(1, 2, 3)).min() > 1e-3
        logits, other = (model.discriminator(pictures, each) for each in (first, second))
        assert (logits - other).abs().min() > 1e-6


# What the two ways compute, by hand


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [0, 5])
def test_projection_is_miyatos_inner_product(kind, hidden):
    """Equation 4: y^T V phi(x) + psi(phi(x)), with phi the last features summed over positions."""
    model = build(kind, conditioning="projection", discriminator_hidden=hidden).double()
    discriminator = model.discriminator
    _, pictures, condition = inputs(model)
    pictures = pictures.double()
    last = discriminator.trunk.features(pictures)[-1]
    assert torch.equal(discriminator.features(pictures, condition)[-1], last)  # they know of no condition
    weight = discriminator.embedding.weight.detach()  # (C, K)
    expected = discriminator.trunk(pictures).detach()
    for i in range(4):
        embedded = weight[:, condition[i]] if kind == "label" else weight @ condition[i].double()
        for row in range(last.shape[2]):
            for column in range(last.shape[3]):
                expected[i] += torch.dot(embedded, last[i, :, row, column].detach())
    torch.testing.assert_close(discriminator(pictures, condition), expected)
    assert (expected - discriminator.trunk(pictures)).abs().min() > 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_concatenation_is_constant_planes_beside_the_picture(kind):
    model = build(kind)
    discriminator = model.discriminator
    _, pictures, condition = inputs(model)
    rows = nn.functional.one_hot(condition, 3).float() if kind == "label" else condition
    planes = torch.ones(4, rows.shape[1], 16, 16) * rows[:, :, None, None]
    seen = torch.cat([pictures, planes], dim=1)
    assert torch.equal(discriminator(pictures, condition), discriminator.trunk(seen))


@pytest.mark.parametrize("kind", KINDS)
def test_the_generators_latent_is_followed_by_the_condition(kind):
    latents, _, condition = inputs(build(kind))
    rows = nn.functional.one_hot(condition, 3).float() if kind == "label" else condition
    plain = build(kind, generator_conditioning="one_hot").generator
    assert torch.equal(plain(latents, condition), plain.trunk(torch.cat([latents, rows], dim=1)))
    embeds = build(kind).generator
    weight = embeds.embedding.weight
    by_hand = torch.stack([weight[:, label] for label in condition]) if kind == "label" else rows @ weight.T
    torch.testing.assert_close(embeds(latents, condition), embeds.trunk(torch.cat([latents, by_hand], dim=1)))


# Parameters


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_by_name(kind):
    width = 3 if kind == "label" else 6

    def shapes(**arguments):
        model = build(kind, channels=1, **arguments)
        return {name: tuple(parameter.shape) for name, parameter in model.networks.named_parameters()}

    both = shapes()
    assert both["generator.embedding.weight"] == (5, width)
    assert both["generator.trunk.project.weight"] == (8 * 16, 7 + 5)
    assert both["discriminator.trunk.blocks.0.0.weight"] == (4, 1 + width, 4, 4)
    assert set(both) == {
        "generator.embedding.weight",
        "generator.trunk.project.weight",
        *(f"generator.trunk.layers.{layer}" for layer in ("0.weight", "0.bias", "2.weight", "3.weight", "3.bias")),
        *("generator.trunk.layers.5.weight", "generator.trunk.layers.5.bias"),
        *("discriminator.trunk.blocks.0.0.weight", "discriminator.trunk.blocks.0.0.bias"),
        *(f"discriminator.trunk.blocks.1.{layer}" for layer in ("0.weight", "1.weight", "1.bias")),
        *("discriminator.trunk.output.weight", "discriminator.trunk.output.bias"),
    }
    one_hot = shapes(generator_conditioning="one_hot")
    assert set(both) - set(one_hot) == {"generator.embedding.weight"}
    assert one_hot["generator.trunk.project.weight"] == (8 * 16, 7 + width)
    projection = shapes(conditioning="projection")
    assert set(projection) - set(both) == {"discriminator.embedding.weight"}
    assert projection["discriminator.embedding.weight"] == (8, width)
    assert projection["discriminator.trunk.blocks.0.0.weight"] == (4, 1, 4, 4)
    hidden = shapes(conditioning="projection", discriminator_hidden=9, discriminator_base_channels=6)
    assert hidden["discriminator.embedding.weight"] == (9, width)


def test_fresh_embeddings():
    model = build(num_classes=500, embedding_dim=60, base_channels=32, conditioning="projection")
    assert model.generator.embedding.weight.std().item() == pytest.approx(1, rel=0.05)
    assert model.discriminator.embedding.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_spectral_norm_bounds_the_projection_too():
    discriminator = build(conditioning="projection", discriminator_normalization="spectral").discriminator.train()
    for _ in range(30):  # each pass takes one step of the power iteration
        discriminator(torch.zeros(2, 3, 16, 16), torch.tensor([0, 1]))
    weights = [m.weight for m in discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weights) == 4
    for weight in weights:
        assert torch.linalg.matrix_norm(weight.detach().flatten(1), 2).item() == pytest.approx(1, abs=0.05)


# Sampling, saving, loading


def test_labels_take_turns_and_vectors_must_be_given():
    model = build()
    assert torch.equal(model.sample(6, seed=0), model.sample(6, seed=0, labels=[0, 1, 2, 0, 1, 2]))
    with pytest.raises(InputError, match="needs a vector of 6 numbers for each sample; pass condition"):
        build("vector").sample(6, seed=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("how", "into"), list(itertools.product(HOW, INTO)))
def test_what_was_saved_is_loaded_bit_for_bit(tmp_path, kind, how, into):
    normalization = "spectral" if into == "one_hot" else "batch"
    gan = build(kind, conditioning=how, generator_conditioning=into, discriminator_normalization=normalization)
    latents, pictures, condition = inputs(gan)
    gan.train()
    gan.generator(latents, condition), gan.discriminator(pictures, condition)  # moves statistics
    gan.eval().save_pretrained(tmp_path)
    loaded = ganzoo.load(tmp_path, discriminator=True)
    first, second = gan.state_dict(), loaded.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert loaded.condition == condition_of(loaded.discriminator) == gan.condition
    asked = {"labels": condition} if kind == "label" else {"condition": condition}
    assert torch.equal(loaded.sample(4, seed=0, **asked), gan.sample(4, seed=0, **asked))
    assert torch.equal(loaded.score(pictures, condition), gan.score(pictures, condition))


def test_building_on_the_meta_device_does_not_import_the_compiler():
    code = (
        "import sys, torch, ganzoo\n"
        "with torch.device('meta'):\n"
        "    for how in ('concat', 'projection'):\n"
        "        model = ganzoo.create_model('cgan', num_classes=10, conditioning=how)\n"
        "        assert all(parameter.is_meta for parameter in model.parameters())\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_loading_does_not_import_the_compiler(tmp_path):
    build(conditioning="projection").save_pretrained(tmp_path)
    code = (
        f"import sys, ganzoo; ganzoo.load('local-dir:{tmp_path}', discriminator=True); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Fitting and refusals


def test_a_model_is_fitted_to_data():
    model = create_model_for("cgan", (1, 28, 32), Condition.label(7), latent_dim=4, base_channels=4)
    assert (model.sample_shape, model.condition) == ((1, 28, 32), Condition.label(7))
    model = create_model_for("cgan", (3, 16, 16), Condition.vector(9), latent_dim=4, base_channels=4)
    assert (model.sample_shape, model.condition) == ((3, 16, 16), Condition.vector(9))
    assert CGAN.arguments_for((1, 8, 8), Condition.vector(2)) == {
        "image_size": (8, 8),
        "channels": 1,
        "condition_dim": 2,
    }
    with pytest.raises(ConfigError, match=r"cgan takes pictures .* shape \(2,\); use the architecture 'mlp'"):
        create_model_for("cgan", (2,), Condition.label(7))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            None,
            "the generator of cgan goes with a condition only (it takes label or vector), and nothing to condition it",
        ),
        (Condition.image((3, 16, 16)), "the generator of cgan takes no image as its condition (it takes label or vec"),
    ],
    ids=["none", "image"],
)
def test_what_it_cannot_be_conditioned_on_is_refused(condition, message):
    with pytest.raises(ConfigError) as refused:
        create_model_for("cgan", (3, 16, 16), condition)
    assert message in str(refused.value)


ONE_OF = "exactly one of them takes a number above 0: num_classes for labels, condition_dim for vectors"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, f"cgan: num_classes is 0 and condition_dim is 0; {ONE_OF}"),
        ({"num_classes": 3, "condition_dim": 2}, f"cgan: num_classes is 3 and condition_dim is 2; {ONE_OF}"),
        ({"num_classes": -1}, f"cgan: num_classes is -1 and condition_dim is 0; {ONE_OF}"),
        ({"num_classes": -1, "condition_dim": 2}, f"cgan: num_classes is -1 and condition_dim is 2; {ONE_OF}"),
        ({"num_classes": 2**17}, "cgan: num_classes is 131072; it takes a whole number from 0 to 65536"),
        ({"condition_dim": 2**17}, "cgan: condition_dim is 131072; it takes a whole number from 0 to 65536"),
        ({"num_classes": 3, "embedding_dim": 0}, "cgan: embedding_dim is 0"),
        ({"num_classes": 3, "embedding_dim": 2**17}, "cgan: embedding_dim is 131072"),
        ({"num_clases": 3}, "cgan: there is no setting 'num_clases'; did you mean 'num_classes'"),
        ({"num_classes": 3, "conditioning": "film"}, "it takes 'concat' or 'projection'"),
        ({"num_classes": 3, "generator_conditioning": "concat"}, "it takes 'embedding' or 'one_hot'"),
        ({"num_classes": 3, "image_size": 27}, "the nearest valid sizes are 28x28 and 24x24"),
        ({"num_classes": 3, "latent_dim": 0}, "cgan: latent_dim is 0"),
        ({"num_classes": 3, "latent_dim": -5}, "cgan: latent_dim is -5"),
        ({"num_classes": 3, "latent_dim": 2**16}, "cgan: latent_dim is 65536, and the generator takes 50 numbers of"),
        ({"num_classes": 3, "channels": 0}, "channels is 0; it takes a whole number from 1 to 4"),
        ({"num_classes": 3, "base_channels": 0}, "base_channels is 0"),
        ({"num_classes": 3, "discriminator_hidden": -1}, "discriminator_hidden is -1"),
        ({"num_classes": 3.0}, "cgan: num_classes is '3.0' (float)"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ConfigError) as refused:
        create_model("cgan", **arguments)
    assert message in str(refused.value)


def test_networks_need_their_condition():
    model = build()
    with pytest.raises(InputError, match="needs a label from 0 to 2 for each sample; pass labels"):
        model.generate(torch.zeros(2, 7))
    with pytest.raises(InputError, match="needs a label from 0 to 2"):
        model.score(torch.zeros(2, 3, 16, 16))
    with pytest.raises(InputError, match=r"the condition has shape \(2,\) and dtype torch.int64; expected \(2, 6\)"):
        build("vector").generate(torch.zeros(2, 7), torch.zeros(2, dtype=torch.int64))


def test_the_smallest_config_says_what_it_is_for():
    assert CGANConfig(num_classes=3).condition == Condition.label(3)
    assert CGANConfig(condition_dim=3).condition == Condition.vector(3)
