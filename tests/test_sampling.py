"""Conditions as callers give them, and pictures translated."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganzoo import GAN, create_model
from ganzoo.data.pictures import source_from_picture
from ganzoo.errors import InputError
from ganzoo.models.condition import Condition
from ganzoo.models.noise import NoiseDropout, drawing_noise
from ganzoo.sampling import choose_condition

IMAGE = (2, 16, 16)


class Echo(nn.Module):
    """Gives its condition back, after its latents: what comes out shows what went in."""

    def __init__(self, condition, latent_dim=3):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.condition, self.latent_dim = condition, latent_dim
        size = int(torch.tensor(condition.shape).prod()) if condition.shape else 1
        self.sample_shape = (latent_dim + size,)
        self.seen = []

    def forward(self, latent, condition):
        self.seen.append(condition)
        rows = condition.flatten(1) if condition.is_floating_point() else condition[:, None].to(self.weight.dtype)
        latent = rows[:, :0] if latent is None else latent
        return torch.cat([latent, rows], dim=1) * self.weight


def echo(condition, **arguments):
    return GAN(generator=Echo(condition, **arguments))


def given(condition, n=None):
    """Return one condition, or n."""
    rng = torch.Generator().manual_seed(2)
    shape = condition.shape if n is None else (n, *condition.shape)
    return torch.rand(shape, generator=rng) * 2 - 1


DECLARED = [Condition.vector(4), Condition.image(IMAGE)]


def pix2pix(**arguments):
    torch.manual_seed(0)
    sizes = {"image_size": 16, "base_channels": 4, "discriminator_depth": 1, "source_channels": 3, "channels": 1}
    gan = create_model("pix2pix", **sizes | arguments)
    gan.train()
    for _ in range(3):  # moves the statistics, so that eval mode is not flat
        gan.generate(None, pictures(8, seed=9, channels=gan.condition.shape[0], size=gan.condition.shape[1:]))
    return gan.eval()


def pictures(n=5, *, seed=1, channels=3, size=(16, 16)):
    return torch.rand(n, channels, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# condition=


@pytest.mark.parametrize("declared", DECLARED, ids=str)
@pytest.mark.parametrize("batch_size", [1, 2, 5, None])
def test_one_condition_for_each_sample(declared, batch_size):
    gan, conditions = echo(declared), given(declared, 5)
    samples = gan.sample(5, seed=0, condition=conditions, batch_size=batch_size)
    assert torch.equal(samples[:, 3:], conditions.flatten(1))
    assert samples[:, :3].std(dim=0).min() > 0
    parts = gan.iter_samples(5, seed=0, condition=conditions, batch_size=2)
    assert torch.equal(torch.cat(list(parts)), samples)


@pytest.mark.parametrize("declared", DECLARED, ids=str)
def test_one_condition_for_all_samples(declared):
    gan, condition = echo(declared), given(declared)
    samples = gan.sample(5, seed=0, condition=condition, batch_size=2)
    assert torch.equal(samples[:, 3:], condition.flatten().expand(5, -1))
    assert torch.equal(samples, gan.sample(5, seed=0, condition=condition.expand(5, *declared.shape)))
    assert samples[:, :3].std(dim=0).min() > 0


def test_a_sample_depends_on_seed_number_and_condition_alone():
    gan, conditions = echo(Condition.vector(4)), given(Condition.vector(4), 9)
    whole = gan.sample(9, seed=3, condition=conditions)
    for n in (1, 4, 9):
        assert torch.equal(gan.sample(n, seed=3, condition=conditions[:n]), whole[:n])
    assert not torch.equal(gan.sample(9, seed=4, condition=conditions)[:, :3], whole[:, :3])


def test_labels_may_be_given_as_the_condition():
    gan, labels = echo(Condition.label(3)), torch.tensor([2, 0, 1, 1])
    assert torch.equal(gan.sample(4, seed=0, condition=labels), gan.sample(4, seed=0, labels=labels))
    assert torch.equal(gan.sample(4, seed=0, condition=torch.tensor(2)), gan.sample(4, seed=0, labels=2))
    assert gan.sample(5, seed=0)[:, 3].tolist() == [0, 1, 2, 0, 1]
    with pytest.raises(InputError, match="labels range from 3 to 3; this model knows 0 to 2"):
        gan.sample(2, seed=0, condition=torch.tensor([3, 3]))


@pytest.mark.parametrize("declared", DECLARED, ids=str)
def test_a_condition_may_be_an_array_or_a_list(declared):
    gan, condition = echo(declared), given(declared, 3)
    for same in (condition.numpy(), condition.tolist()):
        assert torch.equal(gan.sample(3, seed=0, condition=same), gan.sample(3, seed=0, condition=condition))


@pytest.mark.parametrize("declared", [Condition(), Condition.label(3), *DECLARED], ids=str)
def test_labels_and_condition_together_are_refused(declared):
    condition = given(Condition.vector(4), 3)
    with pytest.raises(InputError, match="labels and condition were both given; give one of them"):
        choose_condition(declared, 3, 1, condition)
    with pytest.raises(InputError, match="labels and condition were both given"):
        create_model("mlp", num_classes=3).sample(3, seed=0, labels=0, condition=torch.tensor([0, 1, 2]))


@pytest.mark.parametrize("declared", DECLARED, ids=str)
@pytest.mark.parametrize("labels", [0, [0, 1, 2], torch.zeros(3, 4)])
def test_labels_for_a_model_of_vectors_or_images_are_refused(declared, labels):
    with pytest.raises(
        InputError, match=rf"labels were given, and this model needs {declared} for each sample; pass c"
    ):
        echo(declared).sample(3, seed=0, labels=labels)


@pytest.mark.parametrize("declared", DECLARED, ids=str)
def test_a_needed_condition_is_asked_for(declared):
    for sample in (lambda gan: gan.sample(3, seed=0), lambda gan: gan.draw(seed=0)):
        with pytest.raises(InputError, match=rf"this model needs {declared} for each sample; pass"):
            sample(echo(declared))


@pytest.mark.parametrize("declared", DECLARED, ids=str)
def test_conditions_that_do_not_fit_are_refused(declared):
    gan, fitting = echo(declared), given(declared, 3)
    nan = fitting.clone()
    nan[1].view(-1)[2] = float("nan")
    for condition, says in (
        (fitting[:2], r"expected \(3, "),
        (fitting[:1], r"expected \(3, "),
        (fitting[..., :-1], r"expected \(3, "),
        (fitting[None], r"expected \(3, "),
        (fitting.long(), "floating-point dtype"),
        (nan, "not finite"),
        (nan[1], "not finite"),
    ):
        with pytest.raises(InputError, match=says):
            list(gan.iter_samples(3, seed=0, condition=condition))
    if declared.kind == "image":
        with pytest.raises(InputError, match=r"images lie in \[-1, 1\], so scale them"):
            gan.sample(3, seed=0, condition=fitting * 127 + 128)


def test_it_is_refused_before_the_first_batch():
    with pytest.raises(InputError, match="floating-point dtype"):
        echo(Condition.vector(4)).iter_samples(3, seed=0, condition=torch.zeros(3, 4).long())


def test_an_unconditional_model_takes_no_condition():
    with pytest.raises(InputError, match="unconditional and takes no labels and no condition; leave them out"):
        create_model("mlp").sample(3, seed=0, condition=torch.zeros(3, 4))
    with pytest.raises(InputError, match="unconditional and takes no labels and no condition"):
        create_model("mlp").sample(3, seed=0, condition=torch.tensor(1.0))


def test_conditions_come_in_the_dtype_of_the_weights():
    gan = echo(Condition.vector(4)).to(torch.bfloat16)
    samples = gan.sample(3, seed=0, condition=given(Condition.vector(4), 3).double())
    assert gan.generator.seen[0].dtype == torch.bfloat16
    assert samples.dtype == torch.float32
    gan = echo(Condition.label(3)).to(torch.bfloat16)
    gan.sample(3, seed=0)
    assert gan.generator.seen[0].dtype == torch.int64


# drawing


def test_a_picture_stands_right_of_the_image_it_was_made_from():
    gan, sources = pix2pix(channels=3), pictures(4)
    drawn = np.asarray(gan.draw(seed=0, condition=sources, columns=2))
    alone = np.asarray(gan.draw(1, seed=0, condition=sources[0]))
    enlarged = 64 // 32
    assert drawn.shape == (2 * (16 * enlarged + 2) + 2, 2 * (32 * enlarged + 2) + 2, 3)  # one for each condition
    assert alone.shape == (16 * enlarged, 32 * enlarged, 3)  # without a frame
    left, right = (alone[::enlarged, start : start + 32 : enlarged] for start in (0, 32))
    expected = ((sources[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    made = ((gan.sample(1, seed=0, condition=sources[0])[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(left, expected)
    assert np.array_equal(right, made)


def test_a_notebook_shows_nothing_where_a_condition_is_needed():
    torch.manual_seed(0)
    sizes = {"image_size": 16, "base_channels": 4}
    assert pix2pix()._repr_png_() is None
    assert create_model("cgan", condition_dim=3, **sizes)._repr_png_() is None
    assert create_model("cgan", num_classes=3, **sizes)._repr_png_().startswith(b"\x89PNG")


# translate


def test_translating_a_batch_and_one_image():
    gan, sources = pix2pix(), pictures(5)
    made = gan.translate(sources)
    assert made.shape == (5, 1, 16, 16)
    assert (made.dtype, made.device.type) == (torch.float32, "cpu")
    assert made.abs().max() <= 1
    assert made.std(dim=0).max() > 0
    one = gan.translate(sources[0])
    assert one.shape == (1, 16, 16)
    torch.testing.assert_close(one, made[0], rtol=0, atol=1e-5)
    assert gan.translate(sources[:1]).shape == (1, 1, 16, 16)
    assert not made.is_inference()
    assert not made.requires_grad


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_translations_do_not_depend_on_the_batch_size(batch_size):
    gan, sources = pix2pix(), pictures(5)
    torch.testing.assert_close(gan.translate(sources, batch_size=batch_size), gan.translate(sources), rtol=0, atol=1e-5)


def test_without_a_seed_there_is_no_noise():
    gan, sources = pix2pix(), pictures(5)
    state = torch.get_rng_state()
    first, again = gan.translate(sources), gan.translate(sources)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    with torch.no_grad():
        torch.testing.assert_close(first, gan.generator(None, sources), rtol=0, atol=1e-6)  # in eval mode
    gan.train()
    assert torch.equal(gan.translate(sources), first)
    assert gan.generator.training
    quiet = pix2pix(dropout=0.0)
    assert torch.equal(quiet.translate(sources), quiet.translate(sources, seed=3))


def test_a_seed_gives_noise_that_belongs_to_seed_and_number():
    gan, source = pix2pix(), pictures(1)[0]
    many = source.expand(6, -1, -1, -1)
    made = gan.translate(many, seed=3)
    assert torch.equal(made, gan.translate(many, seed=3))
    assert not torch.equal(made, gan.translate(many, seed=4))
    quiet = gan.translate(source)
    for i in range(6):
        assert (made[i] - quiet).abs().max() > 1e-4
        for other in range(i):
            assert (made[i] - made[other]).abs().max() > 1e-4
    for batch_size in (1, 2, 4, 6, 100):
        for n in (1, 3, 6):
            part = gan.translate(many[:n], seed=3, batch_size=batch_size)
            torch.testing.assert_close(part, made[:n], rtol=0, atol=1e-5)
    torch.testing.assert_close(gan.translate(source, seed=3), made[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(
        gan.sample(6, seed=3, condition=source, batch_size=4), made, rtol=0, atol=1e-5
    )  # the same noise


def test_the_noise_is_that_of_the_samples_numbers():
    gan, sources = pix2pix(), pictures(4)
    made = gan.translate(sources, seed=5, batch_size=3)
    for i in range(4):
        with torch.inference_mode(), drawing_noise(gan.generator, 5, i, i + 1):
            torch.testing.assert_close(made[i], gan.generator(None, sources[i : i + 1])[0], rtol=0, atol=1e-5)


def test_noise_is_over_after_a_translation_also_after_an_error():
    gan, sources = pix2pix(), pictures(4)
    quiet = gan.translate(sources)
    gan.translate(sources, seed=1)
    assert torch.equal(gan.translate(sources), quiet)
    chunks = gan.iter_samples(4, seed=1, condition=sources, batch_size=2)
    next(chunks)
    assert torch.equal(gan.translate(sources), quiet)  # between two batches
    chunks.close()
    hook = gan.generator.output.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gan.translate(sources, seed=1)
    hook.remove()
    assert all(layer._draw is None for layer in gan.generator.modules() if isinstance(layer, NoiseDropout))
    assert torch.equal(gan.translate(sources), quiet)


def test_a_generator_with_latents_gets_none_without_a_seed():
    gan, sources = echo(Condition.image(IMAGE)), given(Condition.image(IMAGE), 4)
    assert torch.equal(gan.translate(sources)[:, :3], torch.zeros(4, 3))
    assert torch.equal(gan.translate(sources, seed=2), gan.sample(4, seed=2, condition=sources))


def photo(size, mode="RGB", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("size", [(16, 16), (40, 24), (5, 9)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_translating_a_picture_of_any_size(size, mode):
    gan, picture = pix2pix(), photo(size, mode)
    made = gan.translate(picture)
    assert made.shape == (1, 16, 16)
    source, _ = source_from_picture(picture, (3, 16, 16), "stretch")
    torch.testing.assert_close(made, gan.translate(source))
    if size == (16, 16) and mode == "RGB":
        plain = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 127.5 - 1
        torch.testing.assert_close(source, plain)


def test_translating_several_pictures():
    gan = pix2pix(image_size=(16, 24))
    several = [photo((40, 24)), photo((16, 16), seed=1), photo((24, 16), seed=2)]
    made = gan.translate(several, seed=7)
    assert made.shape == (3, 1, 16, 24)
    sources = torch.stack([source_from_picture(each, (3, 16, 24), "stretch")[0] for each in several])
    assert torch.equal(made, gan.translate(sources, seed=7))
    assert torch.equal(gan.translate(tuple(several), seed=7), made)
    assert gan.translate(several[:1]).shape == (1, 1, 16, 24)


def test_what_cannot_be_translated_is_refused():
    gan = pix2pix()
    for source, says in (
        (pictures(3, channels=1), r"the condition has shape \(3, 1, 16, 16\) .*; expected \(3, 3, 16, 16\)"),
        (pictures(3, size=(16, 17)), r"the condition has shape \(3, 3, 16, 17\)"),
        (pictures(1, size=(8, 8))[0], r"the condition has shape \(1, 3, 8, 8\)"),
        (pictures(3).mul(127).byte(), "dtype torch.uint8; expected"),
        (pictures(3) * 2, r"images lie in \[-1, 1\], so scale them"),
        (pictures(3) / 0, "not finite"),
        (torch.zeros(16, 16), r"the condition has shape \(16, 16\)"),
        (torch.zeros(()), "there is no picture to translate; give at least one"),
        (torch.zeros(2, 1, 3, 16, 16), r"the condition has shape \(2, 1, 3, 16, 16\)"),
        (pictures(3)[:0], "there is no picture to translate; give at least one"),
        ([], "there is no picture to translate; give at least one"),
        (None, r"'None' \(NoneType\) was given to translate; it takes a tensor or an array, or PIL pictures or paths"),
        (5, r"'5' \(int\) was given to translate"),
        (b"", r"\(bytes\) was given to translate"),
        ({}, r"\(dict\) was given to translate"),
        ([5], r"'5' \(int\) was given to translate"),
        (np.zeros((3, 16, 16), dtype=np.uint8), "dtype torch.uint8; expected"),
        (np.array([None]), "the images cannot be read"),
        ([pictures(1)[0], torch.zeros(3, 8, 8)], r"the condition has shape \(1, 3, 8, 8\)"),
    ):
        with pytest.raises(InputError, match=says):
            gan.translate(source)


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: create_model("mlp"), "nothing"),
        (lambda: create_model("mlp", num_classes=3), "a label from 0 to 2"),
        (lambda: create_model("cgan", condition_dim=4, base_channels=4), "a vector of 4 numbers"),
    ],
    ids=["none", "label", "vector"],
)
def test_a_model_of_another_condition_does_not_translate(build, words, seed):
    gan = build()
    for source in (pictures(2), photo((8, 8))):
        with pytest.raises(InputError) as refused:
            gan.translate(source, seed=seed)
        assert str(refused.value) == f"this model takes {words} as its condition, not an image; use sample"


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"batch_size": "a"}, "batch_size is 'a'"), ({"batch_size": 0}, "batch_size is 0"), ({"seed": -1}, "seed is -1")],
)
def test_translate_takes_whole_numbers(changes, says):
    with pytest.raises(InputError, match=says):
        pix2pix().translate(pictures(2), **changes)


def test_arrays_and_lists_of_tensors_are_translated():
    gan, sources = pix2pix(), pictures(3)
    expected = gan.translate(sources)
    assert torch.equal(gan.translate(sources.numpy()), expected)
    assert torch.equal(gan.translate(list(sources)), expected)
    assert gan.translate(sources[0].double().numpy()).shape == (1, 16, 16)


def test_a_picture_may_be_named_by_its_path(tmp_path):
    gan = create_model("pix2pix", image_size=16, base_channels=4, discriminator_depth=1)
    image = Image.fromarray(torch.arange(24 * 20 * 3).reshape(20, 24, 3).to(torch.uint8).numpy())
    image.save(tmp_path / "picture.png")
    expected = gan.translate(image)
    assert torch.equal(gan.translate(str(tmp_path / "picture.png")), expected)
    assert torch.equal(gan.translate([tmp_path / "picture.png"])[0], expected)
