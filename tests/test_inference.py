"""Folded copies: the same samples as the network itself, and never those of earlier weights."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import ganzoo
from ganzoo import GAN, create_model, randomness
from ganzoo.errors import InputError
from ganzoo.models import folding
from ganzoo.models.architecture import Generator, call
from ganzoo.models.dcgan import DCGANConfig, DCGANGenerator
from ganzoo.sampling import choose_condition
from ganzoo.training.ema import ExponentialMovingAverage

SMALL = {"image_size": 16, "base_channels": 8}
BUILT_IN = {
    "mlp": [
        {"sample_shape": (2,), "output": "linear"},
        {"num_classes": 3, "generator_widths": (300, 40)},
        {"generator_activation": "maxout"},
        {"generator_normalization": "layer"},
        {"generator_normalization": "spectral"},
        {"generator_normalization": "none"},
    ],
    "dcgan": [
        {**SMALL, "channels": 1},
        {**SMALL, "generator_hidden": 12, "num_classes": 3},
        {"image_size": (28, 20), "channels": 4, "base_channels": 8},
    ],
    "cgan": [{**SMALL, "num_classes": 4}, {**SMALL, "condition_dim": 3, "generator_conditioning": "one_hot"}],
    "pix2pix": [{**SMALL, "discriminator_depth": 1}, {**SMALL, "discriminator_depth": 1, "normalization": "instance"}],
    "timm": [],  # has no generator
}
MODELS = [(name, arguments) for name, several in BUILT_IN.items() for arguments in several]
BF16 = 0.05  # of values in [-1, 1]; 8 bits in each of several layers


def moved(gan):
    """Give every layer weights and statistics that are not what they begin with."""
    rng = torch.Generator().manual_seed(5)
    for module in gan.generator.modules():
        if type(module) in (nn.Linear, nn.Conv2d, nn.ConvTranspose2d):  # others have parametrized weights
            inputs = getattr(module, "in_features", 4 * getattr(module, "in_channels", 0))
            nn.init.normal_(module.weight, 0, inputs**-0.5, generator=rng)
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.3, generator=rng)
            module.running_var.uniform_(0.3, 2, generator=rng)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.InstanceNorm2d | nn.GroupNorm):
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5, generator=rng)
                module.bias.normal_(0, 0.3, generator=rng)
    return gan.eval()


def made(name="dcgan", **arguments):
    torch.manual_seed(0)
    return moved(create_model(name, **arguments or SMALL))


def conditions(gan, n):
    kind, shape = gan.condition.kind, gan.condition.shape
    if kind in ("vector", "image"):
        return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return choose_condition(gan.condition, n, None, None)


def plain(gan, n=5, seed=0):
    """Call the generator itself, without anything of ours between."""
    latents = randomness.latents(0, n, gan.latent_dim, seed=seed) if gan.latent_dim else None
    network = copy.deepcopy(gan.generator).eval()
    parameter = next(network.parameters())
    condition = conditions(gan, n)
    if condition is not None and condition.is_floating_point():
        condition = condition.to(parameter.dtype)
    with torch.no_grad():
        return call(network, None if latents is None else latents.to(parameter.dtype), condition).float()


def sampled(gan, n=5, **arguments):
    if gan.condition.kind == "image":  # without noise
        return gan.translate(conditions(gan, n))
    return gan.sample(n, seed=0, condition=conditions(gan, n), **arguments)


def assert_same(one, other, atol=2e-5):
    torch.testing.assert_close(one, other, rtol=0, atol=atol)


def assert_fresh(gan):
    assert_same(sampled(gan), plain(gan))


# The same samples


def test_every_built_in_architecture_is_here():
    assert set(BUILT_IN) == set(ganzoo.list_architectures(provider="torch-ganzoo"))


@pytest.mark.parametrize(("name", "arguments"), MODELS, ids=str)
def test_samples_are_those_of_the_network_itself(name, arguments):
    gan = made(name, **arguments)
    expected = plain(gan, 9)
    assert expected.std(dim=0).max() > 0.01
    for size in (None, 1, 2, 9):
        assert_same(
            sampled(gan, 9) if size is None or not gan.latent_dim else sampled(gan, 9, batch_size=size), expected
        )
    if gan.latent_dim:
        rough = sampled(gan, 9, precision="bf16")
        assert rough.dtype == torch.float32
        assert 1e-6 < (rough - expected).abs().max() < BF16 * max(1, expected.abs().max())


@pytest.mark.parametrize("name", ganzoo.list_pretrained(provider="torch-ganzoo"))
def test_pretrained_models_too(name):
    gan = ganzoo.load(name)
    assert_same(sampled(gan, 8), plain(gan, 8))
    assert (sampled(gan, 8, precision="bf16") - plain(gan, 8)).abs().mean() < 0.02


@pytest.mark.parametrize(
    ("layer", "norm"),
    [
        (nn.Linear(3, 6), nn.BatchNorm1d(6)),
        (nn.Linear(3, 6, bias=False), nn.BatchNorm1d(6, eps=0.1)),
        (nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6)),
        (nn.Conv2d(3, 6, 3, groups=3, stride=2), nn.BatchNorm2d(6, affine=False)),
        (nn.Conv3d(3, 6, 2, bias=False), nn.BatchNorm3d(6)),
        (nn.ConvTranspose1d(3, 6, 3), nn.BatchNorm1d(6)),
        (nn.ConvTranspose2d(3, 6, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(6)),
        (nn.ConvTranspose3d(3, 6, 3, output_padding=1, stride=2), nn.BatchNorm3d(6)),
    ],
    ids=str,
)
def test_folding_a_layer_and_its_norm(layer, norm):
    x = torch.randn(4, 3, *[5] * (layer.weight.dim() - 2), generator=torch.Generator().manual_seed(0))
    norm.train()
    norm(layer(x))
    layer.eval(), norm.eval()
    folded = folding.fold_pair(layer, norm)
    assert type(folded) is type(layer)
    assert_same(folded(x), norm(layer(x)))


class Doubled(nn.Conv2d):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("layer", "norm"),
    [
        (nn.Conv2d(3, 6, 1), nn.InstanceNorm2d(6, track_running_stats=True)),
        (nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6, track_running_stats=False)),
        (nn.Conv2d(3, 6, 1), nn.SyncBatchNorm(6)),
        (nn.Conv2d(3, 6, 1), nn.BatchNorm2d(3)),
        (nn.ConvTranspose2d(6, 6, 1, groups=2, bias=False), nn.BatchNorm2d(6)),
        (Doubled(3, 6, 1), nn.BatchNorm2d(6)),
        (spectral_norm(nn.Conv2d(3, 6, 1)), nn.BatchNorm2d(6)),
        (nn.ReLU(), nn.BatchNorm2d(6)),
        (nn.Conv2d(3, 6, 1), nn.Tanh()),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_may_not_be_folded_is_left(layer, norm):
    layer.eval(), norm.eval()
    assert folding.fold_pair(layer, norm) is None
    sequence = nn.Sequential(nn.Sequential(layer, norm))
    folding.fold_sequences(sequence)
    assert list(sequence[0]) == [layer, norm]


@pytest.mark.parametrize("arguments", [{}, {"bias": False}, {"output_padding": 1}, {"dilation": 2}, {"padding": 0}])
@pytest.mark.parametrize("n", [1, 3])
def test_a_transposed_convolution_as_a_product(arguments, n, monkeypatch):
    settings = {"stride": (2, 3), "padding": (1, 2), **arguments}
    convolution = nn.ConvTranspose2d(5, 2, (4, 3), **settings)
    x = torch.randn(n, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    product = folding.TransposedProduct(convolution)
    assert_same(product(x), convolution(x).detach())
    monkeypatch.setattr(folding, "MOST_NUMBERS", 1)  # a sample at a time
    assert_same(product(x.contiguous(memory_format=torch.channels_last)), convolution(x).detach())


def test_a_bias_is_added_after_a_transposed_convolution():
    convolution = nn.ConvTranspose2d(3, 6, 4, stride=2, groups=3)
    network = nn.Sequential(nn.Sequential(nn.LeakyReLU(0.2), convolution, nn.ReLU()))
    x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    expected, before = network(x), x.clone()
    folding.fold_sequences(network)
    assert [type(layer) for layer in network[0]] == [nn.LeakyReLU, nn.ConvTranspose2d, folding.Shift, nn.ReLU]
    assert network[0][1].bias is None
    assert convolution.bias is not None
    with torch.no_grad():
        assert_same(network(x), expected.detach())
    assert torch.equal(x, before)  # an input may be needed elsewhere


# Never those of earlier weights


def optimize(gan):
    torch.optim.Adam(gan.generator.parameters(), lr=0.01, fused=True).step()


def follow(gan):
    """Move the generator as the average of another."""
    other = copy.deepcopy(gan.generator)
    average = ExponentialMovingAverage(other, batch_images=1, half_life_images=1)
    average.network, average._averages = gan.generator, list(gan.generator.parameters())
    average._buffer_copies = list(gan.generator.buffers())
    with torch.no_grad():
        for tensor in other.parameters():
            tensor.add_(0.05)
    average.update()


def restore(gan, **arguments):
    gan.generator.load_state_dict({k: v * 1.1 for k, v in gan.generator.state_dict().items()}, **arguments)


def through_numpy(gan):
    gan.generator.project.weight.detach().numpy()[7, 3] += 1.0


def grow(gan):
    for parameter in gan.generator.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimize(gan)


def train_mode_pass(gan):
    gan.generator.train()
    gan.generate(torch.randn(8, gan.latent_dim))
    gan.generator.eval()


def half_and_back(gan):
    gan.to(torch.bfloat16)
    gan.to(torch.float32)


def swap_filters(gan):
    weight = gan.generator.layers[2].weight
    weight.data.copy_(weight.data.flip(0))


CHANGES = {
    "optimizer": grow,
    "average": follow,
    "load_state_dict": restore,
    "assigned": lambda gan: restore(gan, assign=True),
    "in place": lambda gan: nn.init.normal_(gan.generator.project.weight, 0, 0.1),
    "one weight": lambda gan: gan.generator.layers[2].weight.data[3].zero_(),
    "data": lambda gan: gan.generator.project.weight.data.mul_(1.1),
    "data replaced": lambda gan: setattr(gan.generator.project.weight, "data", gan.generator.project.weight * 2),
    "numpy": through_numpy,
    "exchanged": swap_filters,
    "sign": lambda gan: gan.generator.project.weight.data.neg_(),
    "statistics": train_mode_pass,
    "statistic": lambda gan: gan.generator.layers[0].running_var.data.mul_(2),
    "norm bias": lambda gan: gan.generator.layers[3].bias.data.add_(0.5),
    "eps": lambda gan: setattr(gan.generator.layers[3], "eps", 1.0),
    "module": lambda gan: gan.generator.layers.__setitem__(1, nn.LeakyReLU(0.5)),
    "attribute": lambda gan: setattr(gan.generator.layers[2], "stride", (2, 2)),
    "dtype": half_and_back,
    "network": lambda gan: gan.networks.update({"generator": made(**SMALL, generator_hidden=4).generator}),
    "channels_last": lambda gan: gan.to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_samples_follow_every_change(change, precision):
    gan = made()
    before = sampled(gan, precision=precision)
    assert torch.equal(sampled(gan, precision=precision), before)
    CHANGES[change](gan)
    assert_same(sampled(gan, precision=precision), plain(gan), 2e-5 if precision == "fp32" else BF16)
    assert torch.equal(sampled(gan, precision=precision), sampled(copy.deepcopy(gan), precision=precision))
    if change not in ("attribute", "channels_last", "dtype"):
        assert (sampled(gan, precision=precision) - before).abs().max() > 1e-4


def test_the_copy_is_made_once(monkeypatch):
    gan, calls = made(), []
    monkeypatch.setattr(type(gan.generator), "fold", lambda network: calls.append(network))
    for _ in range(3):
        sampled(gan)
    gan.train()
    sampled(gan)  # the copy is in eval mode anyway
    assert len(calls) == 1
    assert calls[0] is not gan.generator


def test_the_network_itself_stays_as_it_is():
    gan = made(**SMALL, generator_hidden=5)
    names, shown = list(gan.state_dict()), repr(gan)
    weights = {name: tensor.clone() for name, tensor in gan.state_dict().items()}
    gan.train()
    gan.generator.layers[0].eval()
    modes = [module.training for module in gan.modules()]
    sampled(gan), sampled(gan, precision="bf16")
    assert [module.training for module in gan.modules()] == modes
    assert list(gan.state_dict()) == names
    assert repr(gan.eval()) == shown
    assert all(torch.equal(weights[name], tensor) for name, tensor in gan.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in gan.parameters())
    assert len(list(gan.parameters())) == len(set(gan.parameters()))


def test_copies_of_a_model_have_copies_of_their_own():
    gan = made()
    before = sampled(gan)
    stream = io.BytesIO()
    pickle.dump(gan, stream)
    for other in (copy.deepcopy(gan), pickle.loads(stream.getvalue())):  # noqa: S301
        assert torch.equal(sampled(other), before)
        CHANGES["data"](other)
        assert_fresh(other)
        assert not torch.equal(sampled(other), before)
    assert torch.equal(sampled(gan), before)


def test_weights_loaded_in_few_bits_are_used_as_they_are():
    gan = made().to(torch.bfloat16)
    for precision in ("fp32", "bf16"):
        assert_same(sampled(gan, precision=precision), plain(gan), BF16)
    gan = made().to(torch.float64)
    assert_same(sampled(gan), plain(gan), 1e-6)


def test_samples_of_one_call_are_of_one_generator():
    gan = made()
    expected = sampled(gan, 6)
    chunks = gan.iter_samples(6, seed=0, batch_size=2)
    first = next(chunks)
    CHANGES["data"](gan)
    assert_same(torch.cat([first, *chunks]), expected)


def test_in_inference_mode():
    with torch.inference_mode():
        gan = made()
        expected = plain(gan)
        assert_same(sampled(gan), expected)
        gan.generator.project.weight.mul_(1.5)
        assert_fresh(gan)
    assert not sampled(gan).is_inference()


# As it is


class Iterated(Generator):
    """Looks between the layers of its sequence; so it declares no fold."""

    latent_dim, sample_shape = 4, (6,)

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh())

    def forward(self, latent, condition=None):
        first = self.layers[0](latent)
        return self.layers[2](self.layers[1](first)) + first


class Inherited(DCGANGenerator):
    """Does something else with the layers of a class that folds them."""

    def forward(self, latent, condition=None):
        return self.layers(self.planes(self.project(latent))) * self.layers[3].running_mean.mean()


def test_foreign_networks_are_called_themselves():
    iterated = moved(GAN(generator=Iterated()))
    inherited = moved(GAN(generator=Inherited(DCGANConfig(**SMALL))))
    for gan in (iterated, inherited):
        assert gan._copies["generator"].find(gan.generator, "fp32").network is gan.generator
        assert torch.equal(sampled(gan), plain(gan))
        rough = sampled(gan, precision="bf16")
        assert 0 < (rough - plain(gan)).abs().max() < BF16
        assert {parameter.dtype for parameter in gan.parameters()} == {torch.float32}


@pytest.mark.parametrize("when", ["before", "after"])
def test_hooks_are_called(when):
    gan, seen = made(), []
    if when == "after":
        sampled(gan)
    handle = gan.generator.layers[1].register_forward_hook(lambda module, *_: seen.append(module))
    assert torch.equal(sampled(gan), plain(gan))
    assert seen[0] is gan.generator.layers[1]
    handle.remove()
    count = len(seen)
    assert_fresh(gan)
    assert len(seen) == count


def test_parametrized_weights_are_computed():
    gan = made()
    sampled(gan)
    spectral_norm(gan.generator.project).eval()
    assert torch.equal(sampled(gan), plain(gan))
    gan.generator.project.parametrizations.weight.original.data.mul_(3)  # normalized away
    assert torch.equal(sampled(gan), plain(gan))


@pytest.mark.parametrize("precision", ["fp16", "auto", None, 16, torch.bfloat16, ["fp32"]])
def test_other_precisions_are_refused(precision):
    with pytest.raises(InputError, match=r"precision is .*; it takes 'fp32' or 'bf16'"):
        made().iter_samples(1, seed=0, precision=precision)


def test_a_small_change_beside_a_very_large_weight_is_seen():
    gan = made()
    weight = max(gan.generator.parameters(), key=torch.numel).data.flatten()
    weight[0] = 1e7
    sampled(gan)
    with torch.no_grad():
        max(gan.generator.parameters(), key=torch.numel).view(-1)[1] += 0.25  # less than rounding beside 1e7
    assert_fresh(gan)
