import dataclasses
import json

import pytest
import torch
from torch import nn

from ganzoo import weights
from ganzoo.config import build_config
from ganzoo.errors import ConfigError, InputError
from ganzoo.models.architecture import Condition, call
from ganzoo.models.noise import drawing_noise, has_noise
from ganzoo.models.pix2pix import (
    PIX2PIX,
    Pix2PixConfig,
    Pix2PixDiscriminator,
    Pix2PixGenerator,
    arguments_for,
    deepest_discriminator,
    halvings,
)

NORMALIZATIONS = ["batch", "instance", "layer", "spectral", "none"]


def config(**arguments):
    return Pix2PixConfig(**{"image_size": 16, "base_channels": 4, "discriminator_depth": 1} | arguments)


def generator(**arguments):
    torch.manual_seed(0)
    return Pix2PixGenerator(config(**arguments)).eval()


def discriminator(**arguments):
    torch.manual_seed(0)
    return Pix2PixDiscriminator(config(**arguments)).eval()


def pictures(n=4, size=(16, 16), channels=3, seed=1):
    return torch.rand(n, channels, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(
    ("size", "depth", "halved"),
    [
        (16, 0, 4),
        (28, 0, 2),
        (32, 0, 5),
        (48, 0, 4),
        (64, 0, 6),
        (256, 0, 8),
        (512, 0, 8),
        (64, 2, 2),
        (64, 6, 6),
        ((16, 64), 0, 4),
        ((20, 48), 0, 2),
    ],
)
def test_sizes_and_depths(size, depth, halved):
    settings = Pix2PixConfig(image_size=size, depth=depth, base_channels=1)
    assert halvings(settings.size, depth) == halved
    with torch.device("meta"):
        network = Pix2PixGenerator(settings)
        assert len(network.encoder) == halved == len(network.decoder) + 1
        assert network(None, torch.empty(2, 3, *settings.size)).shape == (2, 3, *settings.size)
        bottleneck = nn.Sequential(*network.encoder)(torch.empty(2, 3, *settings.size))
    assert bottleneck.shape[2:] == tuple(side // 2**halved for side in settings.size)


@pytest.mark.parametrize(
    ("size", "depth", "advice"),
    [
        ((17, 17), 0, "multiples of 4; the nearest valid sizes are 16x16 and 20x20"),
        ((30, 30), 0, "the nearest valid sizes are 28x28 and 32x32"),
        ((17, 31), 0, "the nearest valid sizes are 16x32 and 16x28"),
        ((8, 8), 0, "sides of 16 to 512 pixels that are multiples of 4; the nearest valid size is 16x16"),
        ((12, 512), 0, "the nearest valid size is 16x512"),
        (
            (48, 48),
            5,
            "32, for a depth of 5; the nearest valid sizes are 32x32 and 64x64, and the depths for this one ",
        ),
        ((64, 48), 5, "64x32 and 64x64, and the depths for this one are 2, 3, 4"),
        ((30, 30), 8, "multiples of 256, for a depth of 8; the nearest valid size is 256x256"),
    ],
)
def test_other_sizes_are_refused_with_what_would_fit(size, depth, advice):
    with pytest.raises(ConfigError) as refused:
        generator(image_size=size, depth=depth)
    assert advice in str(refused.value)


def test_the_sizes_named_can_be_built():
    for side in range(1, 513, 7):
        for depth in (0, 2, 5, 8):
            try:
                halvings((side, 64), depth)
            except ConfigError as error:
                named = str(error).partition("valid size")[2].partition(", and")[0].split()
                sizes = [tuple(map(int, word.split("x"))) for word in named if "x" in word]
                assert sizes
                assert all(halvings(size, depth) for size in sizes)


@pytest.mark.parametrize("normalization", ["batch", "instance"])
@pytest.mark.parametrize(("source_channels", "channels"), [(1, 3), (3, 1), (5, 2)])
def test_shapes_and_ranges(source_channels, channels, normalization):
    arguments = {"source_channels": source_channels, "channels": channels, "image_size": (16, 24)}
    network = generator(**arguments, normalization=normalization)
    assert (network.latent_dim, network.sample_shape) == (0, (channels, 16, 24))
    assert network.condition == Condition.image((source_channels, 16, 24))
    sources = pictures(4, (16, 24), source_channels)
    network.condition.check(sources, 4)
    made = call(network, None, sources)
    assert made.shape == (4, channels, 16, 24)
    assert made.abs().max() <= 1
    critic = discriminator(**arguments)
    assert critic.condition == network.condition
    assert critic.sample_shape == network.sample_shape
    assert call(critic, made, sources).shape == (4, 1, 6, 10)
    features = critic.features(made, sources)
    assert isinstance(features, tuple)
    assert [feature.shape for feature in features] == [(4, 4, 8, 12), (4, 8, 7, 11)]


def test_the_sizes_of_the_paper():
    with torch.device("meta"):
        network, critic = Pix2PixGenerator(Pix2PixConfig()), Pix2PixDiscriminator(Pix2PixConfig())
        assert critic(torch.empty(1, 3, 256, 256), torch.empty(1, 3, 256, 256)).shape == (1, 1, 30, 30)
    widths = [
        block[-1].out_channels if k in (0, 7) else block[1].out_channels for k, block in enumerate(network.encoder)
    ]
    assert widths == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [block[1].out_channels for block in network.decoder] == [512, 512, 512, 512, 256, 128, 64]
    assert [len(block) for block in network.decoder] == [4, 4, 4, 3, 3, 3, 3]  # dropout in the three innermost
    assert sum(parameter.numel() for parameter in network.parameters()) == 54_414_531
    assert sum(parameter.numel() for parameter in critic.parameters()) == 2_768_705


def test_every_skip_is_used():
    network = generator()
    for k in range(len(network.encoder) - 1):
        network.zero_grad()
        # Without the way through the deeper blocks, what is learned comes over the skip.
        handle = network.encoder[k + 1].register_forward_pre_hook(lambda module, inputs: (inputs[0].detach(),))
        network(None, pictures()).square().sum().backward()
        handle.remove()
        assert all(parameter.grad.abs().sum() > 0 for parameter in network.encoder[k].parameters()), k


def test_a_changed_pixel_changes_the_output_around_it():
    network = generator(image_size=32, dropout=0, normalization="instance", depth=2)
    network.apply(lambda part: part.weight.data.mul_(10) if isinstance(part, nn.Conv2d | nn.ConvTranspose2d) else None)
    sources = pictures(1, (32, 32)).requires_grad_()
    network(None, sources)[0, :, 16, 16].sum().backward()
    influence = sources.grad[0].abs().sum(dim=0)
    assert influence[14:19, 14:19].mean() > 10 * influence[0:5, 0:5].mean()


@pytest.mark.parametrize(("depth", "field"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142)])
def test_the_receptive_field_of_a_patch(depth, field):
    side = 192
    critic = discriminator(image_size=side, discriminator_depth=depth, discriminator_normalization="none")
    with torch.no_grad():
        for part in critic.modules():
            if isinstance(part, nn.Conv2d):
                part.weight.abs_()
    sample = torch.ones(1, 3, side, side, requires_grad=True)
    logits = critic(sample, torch.ones(1, 3, side, side))
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = sample.grad[0].abs().sum(dim=0) > 0
    assert (int(seen.any(dim=1).sum()), int(seen.any(dim=0).sum())) == (field, field)


@pytest.mark.parametrize(
    ("size", "depth", "patches"),
    [
        (28, 3, (1, 1)),
        (32, 3, (2, 2)),
        (8, 1, (2, 2)),
        (6, 1, (1, 1)),
        ((28, 8), 1, (12, 2)),
        (5, 0, (5, 5)),
        (12, 2, (1, 1)),
    ],
)
def test_the_discriminator_takes_sizes_that_the_generator_does_not(size, depth, patches):
    critic = discriminator(image_size=size, discriminator_depth=depth, source_channels=0, channels=1)
    assert critic.condition == Condition()
    samples = pictures(2, critic.sample_shape[1:], 1)
    assert call(critic, samples, None).shape == (2, 1, *patches)
    assert torch.isfinite(critic.train()(samples)).all()


@pytest.mark.parametrize(
    ("size", "depth", "advice"),
    [
        (16, 3, "leaves no patch of 16x16 pictures; take 0 to 2, or pictures of at least 24 pixels a side"),
        ((64, 8), 3, "leaves no patch of 64x8 pictures; take 0 to 1, or pictures of at least 24 pixels a side"),
        (4, 1, "leaves no patch of 4x4 pictures; take 0, or pictures of at least 6 pixels a side"),
    ],
)
def test_no_patch_is_refused(size, depth, advice):
    with pytest.raises(ConfigError) as refused:
        discriminator(image_size=size, discriminator_depth=depth)
    assert str(refused.value).endswith(advice)


def test_the_deepest_discriminator_is_the_deepest():
    for side in range(1, 200):
        deepest = deepest_discriminator((side, 512))
        with torch.device("meta"):
            critic = Pix2PixDiscriminator(config(image_size=(side, 512), base_channels=1, discriminator_depth=deepest))
            assert min(critic(*[torch.empty(1, 3, side, 512)] * 2).shape[2:]) >= 1
        if deepest < 6:
            with pytest.raises(ConfigError, match="leaves no patch"):
                discriminator(image_size=(side, 512), discriminator_depth=deepest + 1)


def test_the_discriminator_sees_sample_and_source():
    critic = discriminator()
    sample, source = pictures(), pictures(seed=2)
    logits = critic(sample, source)
    assert not torch.equal(critic(sample, source.flip(0)), logits)
    assert not torch.equal(critic(sample.flip(0), source), logits)
    with pytest.raises(InputError, match="needs an image of 3x16x16"):
        critic(sample)


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_every_normalization_learns_everywhere_and_sees_samples_singly(normalization, depth):
    critic = discriminator(discriminator_normalization=normalization, discriminator_depth=depth)
    sample, source = pictures(), pictures(seed=2)
    together = critic(sample, source)
    singly = torch.cat([critic(sample[i : i + 1], source[i : i + 1]) for i in range(4)])
    assert torch.allclose(singly, together, atol=1e-6)
    for n in (1, 4):
        critic.train().zero_grad()
        critic(sample[:n], source[:n]).square().sum().backward()
        assert all(parameter.grad is not None for parameter in critic.parameters())
        assert all(parameter.grad.isfinite().all() for parameter in critic.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in critic.parameters())


@pytest.mark.parametrize("size", [16, (16, 24)], ids=str)
@pytest.mark.parametrize("normalization", ["batch", "instance"])
def test_a_batch_of_one_trains_the_generator(normalization, size):
    network = generator(normalization=normalization, image_size=size).train()
    sources = pictures(1, network.sample_shape[1:])
    target = pictures(1, network.sample_shape[1:], seed=2)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3, betas=(0.5, 0.999))
    losses = []
    for _ in range(30):
        loss = (network(None, sources) - target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("normalization", ["batch", "instance"])
def test_eval_is_deterministic_and_sees_samples_singly(normalization):
    network = generator(normalization=normalization)
    network.train()(None, pictures(8, seed=3))
    network.eval()
    sources = pictures()
    together = network(None, sources)
    assert torch.equal(network(None, sources), together)
    singly = torch.cat([network(None, sources[i : i + 1]) for i in range(4)])
    assert torch.allclose(singly, together, atol=1e-6)


def test_noise_belongs_to_samples():
    network, sources = generator(), pictures(1).expand(4, -1, -1, -1)
    assert has_noise(network)
    assert not has_noise(generator(dropout=0))
    with drawing_noise(network, 5, 0, 4):
        together = network(None, sources)
        assert torch.equal(network(None, sources), together)
    singly = []
    for i in range(4):
        with drawing_noise(network, 5, i, i + 1):
            singly.append(network(None, sources[:1]))
    assert torch.allclose(torch.cat(singly), together, atol=1e-6)
    plain = network(None, sources)
    assert torch.allclose(plain[0], plain[1], atol=1e-6)
    assert all((together[i] - together[j]).abs().max() > 1e-6 for i in range(4) for j in range(i))
    network.train()
    assert not torch.equal(network(None, sources), network(None, sources))


def test_a_generator_without_sources_is_refused():
    with pytest.raises(ConfigError, match="source_channels is 0, and the generator translates pictures"):
        generator(source_channels=0)
    with pytest.raises(InputError, match="pix2pix needs an image of 3x16x16 for each sample; pass the images"):
        generator()(None)


@pytest.mark.parametrize("shape", [(4, 3, 16, 20), (4, 1, 16, 16), (3, 3, 16, 16), (3, 16, 16)], ids=str)
def test_other_sources_are_refused(shape):
    with pytest.raises(InputError, match="expected"):
        generator().condition.check(torch.zeros(shape), 4)


def test_arguments_for_data():
    source = Condition.image((1, 32, 48))
    assert arguments_for((3, 32, 48), source) == {"image_size": (32, 48), "channels": 3, "source_channels": 1}
    assert arguments_for((3, 32, 48), Condition())["source_channels"] == 0
    assert arguments_for((1, 16, 16), Condition())["discriminator_depth"] == 2
    assert arguments_for((1, 2, 16), Condition())["discriminator_depth"] == 0
    with pytest.raises(ConfigError, match="sources are 32x48 and the pictures 64x48; they need one size"):
        arguments_for((3, 64, 48), source)
    with pytest.raises(ConfigError, match=r"pix2pix takes pictures .* shape \(2,\)"):
        arguments_for((2,), Condition())
    assert PIX2PIX.kinds("generator") == ("image",)
    assert PIX2PIX.kinds("discriminator") == ("none", "image")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 513}, "image_size is 513x513; each side takes 1 to 512 pixels"),
        ({"image_size": (0, 64)}, "image_size is 0x64"),
        ({"channels": 0}, "channels is 0; it takes a whole number from 1 to 64"),
        ({"source_channels": -1}, "source_channels is -1; it takes a whole number from 0 to 64"),
        ({"base_channels": 2**20}, "base_channels is 1048576; it takes a whole number from 1 to 1024"),
        ({"discriminator_base_channels": -1}, "discriminator_base_channels is -1"),
        ({"discriminator_depth": 7}, "discriminator_depth is 7; it takes a whole number from 0 to 6"),
        ({"depth": 1}, "depth is 1; it takes 2 to 8, or 0 for as many as fit"),
        ({"depth": 9}, "depth is 9"),
        ({"dropout": 1.0}, "dropout is 1.0; it takes 0 up to below 1"),
        ({"normalization": "layer"}, "it takes 'batch' or 'instance'"),
        ({"discriminator_normalization": "group"}, "'batch' or 'instance' or 'layer' or 'spectral' or 'none'"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ConfigError) as refused:
        build_config(Pix2PixConfig, arguments, "pix2pix")
    assert message in str(refused.value)


@pytest.mark.parametrize("name", ["generator", "discriminator"])
@pytest.mark.parametrize("normalization", ["batch", "instance", "spectral"])
def test_saved_weights_fill_a_network_on_the_meta_device(tmp_path, name, normalization):
    arguments = {"discriminator_normalization": normalization}
    arguments["normalization"] = "instance" if normalization == "instance" else "batch"
    network = {"generator": generator, "discriminator": discriminator}[name](**arguments)
    weights.save_tensors(tmp_path / "weights.safetensors", network.state_dict())
    saved = json.loads(json.dumps(dataclasses.asdict(config(**arguments))))
    with torch.device("meta"):
        again = PIX2PIX.networks[name](build_config(Pix2PixConfig, saved, "pix2pix"))
    weights.assign(again, weights.read_tensors(tmp_path / "weights.safetensors"), "test")
    again.eval()
    sample = None if name == "generator" else pictures()
    assert torch.equal(again(sample, pictures(seed=2)), network(sample, pictures(seed=2)))


def test_weights_are_drawn_as_in_the_paper():
    network = generator(base_channels=16)
    drawn = torch.cat([part.weight.flatten() for part in network.modules() if isinstance(part, nn.Conv2d)])
    assert abs(drawn.mean()) < 1e-3
    assert abs(drawn.std() - 0.02) < 1e-3


@pytest.mark.parametrize("normalization", ["batch", "instance"])
def test_channels_last_and_bf16(normalization):
    network = generator(normalization=normalization)
    critic = discriminator(discriminator_normalization=normalization)
    sources = pictures()
    made, logits = network(None, sources), critic(sources, sources)
    network.to(memory_format=torch.channels_last), critic.to(memory_format=torch.channels_last)
    last = sources.contiguous(memory_format=torch.channels_last)
    assert torch.allclose(network(None, last), made, atol=1e-5)
    assert torch.allclose(critic(last, last), logits, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(network(None, last).float(), made, atol=0.05)
        assert torch.allclose(critic(network(None, last), last).float(), critic(made, sources).float(), atol=0.05)
