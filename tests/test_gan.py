import json
import math

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from torch import nn

import ganzoo
from ganzoo import GAN, create_model
from ganzoo.config import ModelConfig, SamplingConfig
from ganzoo.errors import ConfigError, InputError, OutputError, WeightsError
from ganzoo.inference import evaluating
from ganzoo.models.architecture import Condition, condition_of
from ganzoo.randomness import latents

SMALL = {"generator_widths": (16, 16), "discriminator_widths": (8,)}


def mlp(**arguments):
    torch.manual_seed(0)
    return create_model("mlp", **{"sample_shape": (1, 4, 4), "latent_dim": 6} | SMALL | arguments)


def dcgan(**arguments):
    torch.manual_seed(0)
    return create_model("dcgan", **{"image_size": 8, "latent_dim": 6, "base_channels": 4, "channels": 1} | arguments)


class Stretch(nn.Module):
    """Latents as they are: what comes out shows what went in."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, latent):
        return latent * self.weight


class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, sample):
        return sample.flatten(1)[:, :6].unflatten(1, (1, 2, 3)) * self.weight


# sampling


@pytest.mark.parametrize("n", [1, 3, 7, 16])
@pytest.mark.parametrize("batch_size", [1, 2, 5, 256, None])
@pytest.mark.parametrize("latent_dim", [2, 100])
def test_latents_of_samples_depend_on_seed_and_number_alone(latent_dim, n, batch_size):
    gan = GAN(generator=Stretch(), latent_dim=latent_dim, sample_shape=(latent_dim,))
    assert torch.equal(gan.sample(n, seed=5, batch_size=batch_size), latents(0, 16, latent_dim, seed=5)[:n])


@pytest.mark.parametrize("build", [mlp, dcgan])
@pytest.mark.parametrize("latent_dim", [2, 100])
def test_samples_depend_on_seed_and_number_alone(build, latent_dim):
    gan = build(latent_dim=latent_dim, num_classes=3)
    whole = gan.sample(16, seed=5)
    assert whole.shape == (16, *gan.sample_shape)
    assert whole.dtype == torch.float32
    assert whole.std(dim=0).min() > 0
    for n in (1, 3, 7, 16):
        for batch_size in (1, 2, 5, 256):
            part = gan.sample(n, seed=5, batch_size=batch_size)
            torch.testing.assert_close(part, whole[:n], rtol=0, atol=1e-5)
    assert not torch.equal(whole, gan.sample(16, seed=6))


def test_iter_samples_gives_the_same_batch_by_batch():
    gan = mlp()
    chunks = list(gan.iter_samples(7, seed=1, batch_size=3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    torch.testing.assert_close(torch.cat(chunks), gan.sample(7, seed=1), rtol=0, atol=1e-6)
    assert [len(chunk) for chunk in gan.iter_samples(300, seed=1)] == [256, 44]


def test_iter_samples_refuses_before_the_first_batch():
    with pytest.raises(InputError, match="n is 0; it takes a whole number from 1"):
        mlp().iter_samples(0, seed=1)


@pytest.mark.parametrize(("n", "batch_size"), [(0, None), (-1, None), (3, 0), (3, -2)])
def test_at_least_one_sample_and_one_a_batch(n, batch_size):
    with pytest.raises(InputError, match="it takes a whole number from 1"):
        mlp().sample(n, seed=0, batch_size=batch_size)


def test_truncation_bounds_the_latents():
    gan = GAN(generator=Stretch(), latent_dim=50, sample_shape=(50,))
    assert 0.29 < gan.sample(20, seed=0, truncation=0.3).abs().max() <= 0.3
    with pytest.raises(InputError, match="truncation is -1"):
        gan.sample(1, seed=0, truncation=-1)


def test_samples_are_ordinary_tensors():
    gan = mlp()
    samples = gan.sample(3, seed=0)
    assert not samples.requires_grad
    assert not samples.is_inference()
    weight = torch.ones(1, requires_grad=True)
    (gan.discriminator(samples * weight).sum() + (samples * weight).sum()).backward()
    assert weight.grad.item() != 0
    samples.zero_()
    assert not gan.score(gan.sample(2, seed=0)).is_inference()


def test_sampling_in_train_mode_moves_and_restores_nothing_else():
    gan = dcgan(image_size=16).train()
    gan.generator.layers[0].eval()  # a frozen part
    modes = {name: module.training for name, module in gan.named_modules()}
    before = {name: tensor.clone() for name, tensor in gan.state_dict().items()}
    samples = gan.sample(5, seed=0)
    gan.score(samples)
    assert {name: module.training for name, module in gan.named_modules()} == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in gan.state_dict().items())
    assert torch.equal(samples, gan.eval().sample(5, seed=0))


def test_modes_come_back_after_an_error():
    gan = mlp().train()
    gan.generator.output.eval()

    def fail():
        with evaluating(gan.generator):
            assert not any(module.training for module in gan.generator.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [module.training for module in gan.generator.modules()].count(False) == 1


def test_sampling_draws_from_no_global_generator():
    gan, state = mlp(), torch.get_rng_state()
    gan.sample(3, seed=0, truncation=0.5)
    assert torch.equal(torch.get_rng_state(), state)


# labels


def test_labels_take_turns_by_default():
    gan = mlp(num_classes=3)
    turns = gan.sample(7, seed=0, labels=[0, 1, 2, 0, 1, 2, 0])
    assert torch.equal(gan.sample(7, seed=0), turns)
    assert torch.equal(gan.sample(7, seed=0, labels=torch.tensor([0, 1, 2, 0, 1, 2, 0])), turns)
    torch.testing.assert_close(gan.sample(7, seed=0, batch_size=2), turns)


def test_one_label_serves_for_all():
    gan = mlp(num_classes=3)
    twos = gan.sample(4, seed=0, labels=[2] * 4)
    assert torch.equal(gan.sample(4, seed=0, labels=2), twos)
    assert torch.equal(gan.sample(4, seed=0, labels=torch.tensor(2)), twos)
    assert not torch.equal(gan.sample(4, seed=0), twos)


@pytest.mark.parametrize(
    "labels",
    [3, -1, [0, 1], [0, 1, 2, 3], [0.0, 1.0, 2.0], 1.5, True, torch.zeros(3, 1).long(), torch.zeros(3).int() - 1, []],
)
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(InputError, match="labels"):
        mlp(num_classes=3).sample(3, seed=0, labels=labels)


@pytest.mark.parametrize("labels", ["one", ["one", "two"], [[0], [1, 2]], 2**70, [None]])
def test_what_is_no_label_is_refused(labels):
    with pytest.raises(InputError, match="give one whole number, or one for each sample"):
        mlp(num_classes=3).sample(3, seed=0, labels=labels)


def test_an_unconditional_model_takes_no_labels():
    with pytest.raises(InputError, match="unconditional and takes no labels and no condition; leave them out"):
        mlp().sample(3, seed=0, labels=0)


# generate, score, to_data


def test_generate_is_differentiable():
    gan = mlp()
    given = torch.randn(3, 6, requires_grad=True)
    made = gan.generate(given)
    assert made.shape == (3, 1, 4, 4)
    made.sum().backward()
    assert given.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(6,), (3, 5), (3, 7), (3, 6, 1), ()])
def test_wrong_latents_are_refused(shape):
    with pytest.raises(InputError, match=r"latents have shape .*; this model takes \(N, 6\)"):
        mlp().generate(torch.zeros(shape))


def test_generate_needs_labels_where_the_model_does():
    with pytest.raises(InputError, match="needs a label from 0 to 2"):
        mlp(num_classes=3).generate(torch.zeros(2, 6))


@pytest.mark.parametrize("build", [mlp, dcgan])
def test_scores_are_probabilities(build):
    gan = build()
    samples = gan.sample(5, seed=0)
    score = gan.score(samples)
    assert score.shape == (5,)
    assert score.min() > 0
    assert score.max() < 1
    torch.testing.assert_close(score, gan.discriminator(samples).sigmoid().detach())


def test_the_score_of_patches_is_that_of_their_mean():
    gan = GAN(generator=Stretch(), discriminator=Patches(), latent_dim=8, sample_shape=(8,))
    samples = gan.sample(3, seed=0)
    torch.testing.assert_close(gan.score(samples), samples[:, :6].mean(dim=1).sigmoid())


def test_a_conditional_discriminator_scores_with_labels():
    gan = mlp(num_classes=3)
    samples = gan.sample(3, seed=0)
    assert gan.score(samples, torch.tensor([0, 1, 2])).shape == (3,)
    with pytest.raises(InputError, match="needs a label"):
        gan.score(samples)
    with pytest.raises(InputError, match="takes no labels"):
        mlp().score(samples, torch.tensor([0, 1, 2]))


def test_samples_of_another_shape_are_not_scored():
    with pytest.raises(InputError, match=r"samples have shape \(3, 2\); this model takes \(N, 1, 4, 4\)"):
        mlp().score(torch.zeros(3, 2))


def test_pictures_come_back_as_bytes():
    sampling = SamplingConfig(sample_shape=(6,), scale=127.5, offset=127.5, data_dtype="uint8")
    gan = GAN({"generator": Stretch()}, config=ModelConfig(networks={}, sampling=sampling), latent_dim=6)
    data = gan.to_data(torch.tensor([[-1.0, 1.0, 0.0, -1.5, 1.5, 1 / 127.5]]))
    assert data.dtype == torch.uint8
    assert data.tolist() == [[0, 255, 128, 0, 255, 128]]


def test_points_come_back_in_their_own_units():
    sampling = SamplingConfig(sample_shape=(2,), scale=4.0, offset=1.0)
    gan = GAN({"generator": Stretch()}, config=ModelConfig(networks={}, sampling=sampling), latent_dim=2)
    assert gan.to_data(torch.tensor([[-1.0, 2.0]])).tolist() == [[-3.0, 9.0]]


# what a GAN is made of


def test_plain_modules_make_a_gan():
    gan = GAN(generator=nn.Linear(3, 2), discriminator=nn.Linear(2, 1), latent_dim=3, sample_shape=(2,))
    assert (gan.latent_dim, gan.sample_shape, gan.provider, gan.condition) == (3, (2,), None, Condition())
    assert gan.sample(4, seed=0).shape == (4, 2)
    assert set(gan.networks) == {"generator", "discriminator"}
    assert condition_of(gan.discriminator) == Condition()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "a GAN was made of nothing; it takes at least generator="),
        ({"discriminator": nn.Linear(2, 1)}, r"made of \['discriminator'\]"),
        (
            {"generator": nn.Linear(3, 2), "sample_shape": (2,)},
            r"declares no latent_dim; pass GAN\(generator=\.\.\., lat",
        ),
        ({"generator": nn.Linear(3, 2), "latent_dim": 3}, "the generator Linear declares no sample_shape"),
    ],
    ids=["nothing", "no generator", "no latent_dim", "no sample_shape"],
)
def test_an_incomplete_gan_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        GAN(**arguments)


def test_a_gan_of_no_size_is_refused():
    with pytest.raises(ConfigError, match="sample_shape is"):
        GAN(generator=Stretch(), latent_dim=3, sample_shape=())


def test_a_model_without_discriminator_says_how_to_get_it():
    gan = GAN(generator=Stretch(), latent_dim=3, sample_shape=(3,))
    with pytest.raises(
        InputError, match=r"no discriminator here; load it with ganzoo\.load\(\.\.\., discriminator=True"
    ):
        gan.score(torch.zeros(1, 3))


# saving


def same(first, second):
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


MODELS = {
    "mlp": lambda: mlp(num_classes=3),
    "points": lambda: mlp(sample_shape=(2,), output="linear"),
    "maxout": lambda: mlp(discriminator_activation="maxout", discriminator_normalization="layer"),
    "spectral": lambda: mlp(discriminator_normalization="spectral", generator_normalization="spectral"),
    "dcgan": lambda: dcgan(image_size=(16, 20), channels=3),
    "dcgan spectral": lambda: dcgan(image_size=16, num_classes=3, discriminator_normalization="spectral"),
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS.keys())
def test_what_was_saved_is_loaded_bit_for_bit(tmp_path, build):
    gan = build()
    gan.train()
    gan.generator(torch.randn(8, 6), torch.zeros(8).long() if gan.condition.num_classes else None)  # moves statistics
    gan.eval().save_pretrained(tmp_path / "model")
    for source in (f"local-dir:{tmp_path / 'model'}", tmp_path / "model"):
        loaded = ganzoo.load(source, discriminator=True)
        assert same(loaded, gan)
        assert not any(module.training for module in loaded.modules())
        assert torch.equal(loaded.sample(4, seed=0), gan.sample(4, seed=0))
        samples, labels = gan.sample(4, seed=0), torch.arange(4) % 3 if gan.condition.num_classes else None
        assert torch.equal(loaded.score(samples, labels), gan.score(samples, labels))
    assert set(ganzoo.load(tmp_path / "model").networks) == {"generator"}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_storage_comes_back_as_it_was_stored(tmp_path, dtype):
    gan = dcgan(image_size=16)
    gan.save_pretrained(tmp_path / "a", dtype=dtype)
    loaded = ganzoo.load(tmp_path / "a", discriminator=True)
    for name, tensor in loaded.state_dict().items():
        stored = gan.state_dict()[name]
        assert torch.equal(tensor, stored.to(dtype).to(stored.dtype) if stored.is_floating_point() else stored)
        assert tensor.dtype == stored.dtype
    loaded.save_pretrained(tmp_path / "b")
    assert same(ganzoo.load(tmp_path / "b", discriminator=True), loaded)
    loaded.save_pretrained(tmp_path / "c", dtype=dtype)
    assert (tmp_path / "c" / "generator.safetensors").read_bytes() == (
        tmp_path / "a" / "generator.safetensors"
    ).read_bytes()


def test_half_storage_is_half_as_large(tmp_path):
    gan = mlp(generator_widths=(64, 256))
    gan.save_pretrained(tmp_path / "a")
    gan.save_pretrained(tmp_path / "b", dtype=torch.float16)
    sizes = [(tmp_path / name / "generator.safetensors").stat().st_size for name in "ab"]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.05)


def test_what_a_saved_folder_holds(tmp_path):
    gan = mlp(num_classes=3)
    gan.save_pretrained(tmp_path, dtype=torch.float16)
    names = ["README.md", "config.json", "discriminator.safetensors", "generator.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["ganzoo"] == {"schema": 1, "version": ganzoo.__version__}
    network = config["networks"]["generator"]
    assert (network["architecture"], network["file"], network["dtype"]) == ("mlp", "generator.safetensors", "float16")
    assert network["args"]["generator_widths"] == [16, 16]
    assert "provider" not in network
    assert config["sampling"]["sample_shape"] == [1, 4, 4]
    card = (tmp_path / "README.md").read_text()
    assert ModelCard(card).data.library_name == "ganzoo"
    assert "# mlp\n" in card


@pytest.mark.parametrize(
    ("arguments", "tagged"), [({}, True), ({"num_classes": 3}, False), ({"sample_shape": (2,)}, False)]
)
def test_the_card_is_tagged_where_unconditional_pictures_are_made(tmp_path, arguments, tagged):
    mlp(**arguments).save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert ModelCard(card).data.pipeline_tag == ("unconditional-image-generation" if tagged else None)
    assert "A generator of samples" in card


def test_the_card_shows_what_the_config_says_as_text(tmp_path):
    gan = mlp()
    gan.config = ModelConfig(
        networks=gan.config.networks,
        sampling=gan.config.sampling,
        training={"recipe": "<script>\n---\n# x", "a|b": "c|d"},
        metrics=[
            {"name": "kid", "value": 0.123456, "floor": 3, "protocol": {"split": "<b>"}},
            *("<img>", None, [], {"name": ["<img>"], "value": "|", "ceiling": 10**400, "protocol": "<img>"}),
        ],
        license={"weights": "MIT\nevil: yes"},
    )
    gan.save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert "# &lt;script> --- # x\n" in card
    assert "| a\\|b | c\\|d |" in card
    assert "| kid | 0.1235 | 3 |  |  |\n" in card
    assert "Protocol: split: &lt;b>.\n" in card
    assert "<script>" not in card
    assert "<img>" not in card
    assert set(ModelCard(card).data.to_dict()) == {"library_name", "tags", "pipeline_tag", "license"}
    assert "license: other\n" in card


def test_saving_again_replaces_the_model(tmp_path):
    first, second = mlp(), dcgan()
    first.save_pretrained(tmp_path)
    second.save_pretrained(tmp_path)
    assert same(ganzoo.load(tmp_path, discriminator=True), second)


@pytest.mark.parametrize("place", ["file", "file/below", "file/far/below"])
def test_an_unwritable_place_is_an_output_error(tmp_path, place):
    (tmp_path / "file").write_text("a regular file")
    with pytest.raises(OutputError, match="cannot write"):
        mlp().save_pretrained(tmp_path / place)
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (1e5, torch.float16, r"'layers\.0\.0\.weight' holds values that are not finite in torch\.float16"),
        (math.nan, None, r"'layers\.0\.0\.weight' holds values that are not finite"),
        (0.0, torch.int8, r"cannot be stored as torch\.int8"),
    ],
)
def test_what_cannot_be_stored_leaves_the_model_that_was_there(tmp_path, value, dtype, message):
    old = mlp()
    old.save_pretrained(tmp_path)
    gan = mlp(latent_dim=7)
    with torch.no_grad():
        gan.discriminator.layers[0][0].weight[0, 0] = value
    with pytest.raises(WeightsError, match=message):
        gan.save_pretrained(tmp_path, dtype=dtype)
    assert len(list(tmp_path.iterdir())) == 4
    assert same(ganzoo.load(tmp_path, discriminator=True), old)


def test_plain_modules_cannot_be_saved_for_others(tmp_path):
    gan = GAN(generator=Stretch(), latent_dim=3, sample_shape=(3,))
    with pytest.raises(WeightsError, match="generator cannot be saved for others: plain modules are in no registry"):
        gan.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


# arguments of another type


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n": "4"}, r"n is '4' \(str\); it takes a whole number from 1"),
        ({"n": 4.5}, "n is '4.5'"),
        ({"seed": 1.5}, r"seed is '1.5' \(float\); it takes a whole number from 0"),
        ({"seed": None}, "seed is 'None'"),
        ({"seed": "a"}, "seed is 'a'"),
        ({"seed": -1}, "seed is -1; it takes a whole number from 0"),
        ({"batch_size": "a"}, "batch_size is 'a'"),
        ({"truncation": "x"}, r"truncation is 'x' \(str\); it takes a positive number"),
        ({"condition": "x"}, "the condition cannot be read: .*; give a tensor, an array or a list of numbers"),
        ({"condition": {}}, "the condition cannot be read"),
        ({"condition": [[1.0], [1.0, 2.0]]}, "the condition cannot be read"),
    ],
    ids=str,
)
def test_samples_are_asked_for_with_numbers(changes, says):
    arguments = {"n": 2, "seed": 0} | changes
    for ask in (mlp(num_classes=3).sample, mlp(num_classes=3).draw):
        if ask.__name__ == "draw" and "batch_size" in changes:
            continue
        with pytest.raises(InputError, match=says):
            ask(**arguments)


def test_numpys_whole_numbers_are_whole_numbers():
    gan = mlp()
    assert torch.equal(
        gan.sample(np.int64(3), seed=np.uint8(5), batch_size=np.int32(2)), gan.sample(3, seed=5, batch_size=2)
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_labels_of_any_integers_are_labels(dtype):
    gan, expected = mlp(num_classes=3), mlp(num_classes=3).sample(2, seed=0, labels=[2, 0])
    labels = torch.tensor([2, 0]).to(getattr(torch, dtype))
    for given in (labels, labels.numpy()):
        assert torch.equal(gan.sample(2, seed=0, labels=given), expected)
        assert torch.equal(gan.sample(2, seed=0, condition=given), expected)


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_labels_of_no_integers_are_refused(dtype):
    with pytest.raises(InputError, match=r"expected .* torch\.int64"):
        mlp(num_classes=3).sample(2, seed=0, labels=torch.ones(2, dtype=dtype))


@pytest.mark.parametrize("value", [[1], np.zeros((1, 1, 4, 4)), "x", 5], ids=["list", "array", "text", "number"])
def test_score_and_generate_take_tensors(value):
    gan = mlp(num_classes=3)
    with pytest.raises(InputError, match=r"samples: a value of type \w+ was given; it takes a tensor"):
        gan.score(value)
    with pytest.raises(InputError, match=r"the condition: a value of type \w+ was given; it takes a tensor"):
        gan.score(torch.zeros(1, 1, 4, 4), value)
    with pytest.raises(InputError, match=r"latents: a value of type \w+ was given; it takes a tensor"):
        gan.generate(value)
    with pytest.raises(InputError, match=r"the condition: a value of type \w+ was given; it takes a tensor"):
        gan.generate(torch.zeros(1, 6), value)
