import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo import create_model
from ganzoo.models.architecture import Discriminator, call_features
from ganzoo.models.roles import layers_in_order, lower_layers, tensor_roles

DCGAN = {"image_size": 16, "channels": 1, "latent_dim": 3, "base_channels": 4}
# Each with how many of its layers can be frozen.
DISCRIMINATORS = {
    "mlp": ("mlp", {"sample_shape": (1, 16, 16), "discriminator_widths": (9, 8, 7)}, 3),
    "dcgan": ("dcgan", DCGAN, 2),
    "dcgan-hidden": ("dcgan", {**DCGAN, "discriminator_hidden": 5}, 3),
    "dcgan-spectral": ("dcgan", {**DCGAN, "discriminator_normalization": "spectral"}, 2),
    "cgan": ("cgan", {**DCGAN, "num_classes": 3, "conditioning": "projection"}, 2),
    "pix2pix": ("pix2pix", {"image_size": 32, "base_channels": 4}, 4),
}


def discriminator(name):
    architecture, arguments, count = DISCRIMINATORS[name]
    torch.manual_seed(0)
    return create_model(architecture, **arguments).discriminator, count


def inputs(network):
    samples = torch.rand(3, *network.sample_shape) * 2 - 1
    condition = {
        "none": None,
        "label": torch.arange(3),
        "image": torch.rand(3, *network.condition.shape),
    }[network.condition.kind]
    return samples, condition


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_layer_is_what_its_feature_needs_and_the_one_before_does_not(name):
    network, count = discriminator(name)
    layers = lower_layers(network)
    assert len(layers) == count
    features = call_features(network, *inputs(network))
    for k in range(1, count + 1):
        below = {id(p) for layer in layers[:k] for p in layer.parameters()}
        found = torch.autograd.grad(
            features[k - 1].sum(), list(network.parameters()), allow_unused=True, retain_graph=True
        )
        used = {id(p) for p, gradient in zip(network.parameters(), found, strict=True) if gradient is not None}
        assert used == below


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_what_makes_the_logits_is_never_among_the_layers(name):
    network, _ = discriminator(name)
    frozen = {id(p) for layer in lower_layers(network) for p in layer.parameters()}
    free = [key for key, p in network.named_parameters() if id(p) not in frozen]
    assert free
    assert all(key.removeprefix("trunk.").startswith(("output", "embedding")) for key in free)


def test_a_timm_backbone_is_frozen_layer_by_layer_and_its_heads_never():
    network = create_model(
        "dcgan", **DCGAN, discriminator="timm", discriminator_args={"backbone": "test_resnet"}
    ).discriminator
    layers = lower_layers(network)
    assert len(layers) > 2
    names = {id(p): key for key, p in network.named_parameters()}
    order = [names[id(p)] for layer in layers for p in layer.parameters()]
    assert order == [key for key in names.values() if key.startswith("backbone.")]
    assert any(isinstance(part, nn.BatchNorm2d) for part in layers[0].modules())


class Nested(nn.Module):
    """A discriminator that says nothing of its layers."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.LeakyReLU()),
            nn.Sequential(spectral_norm(nn.Linear(8, 6)), nn.PReLU(), nn.Dropout()),
            nn.Linear(6, 1),
        )


def test_by_default_layers_are_modules_in_order_with_their_normalization_and_the_last_makes_logits():
    network = Nested()
    names = {id(p): key for key, p in network.named_parameters()}
    found = [[names[id(p)] for p in layer.parameters()] for layer in lower_layers(network)]
    assert found == [
        ["net.0.0.weight", "net.0.0.bias", "net.0.1.weight", "net.0.1.bias"],
        ["net.1.0.bias", "net.1.0.parametrizations.weight.original", "net.1.1.weight"],
    ]
    assert len(layers_in_order(network)) == 3


def test_a_discriminator_of_a_plugin_has_the_default_too():
    class Plain(Discriminator):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.last = nn.Linear(2, 4), nn.Linear(4, 4), nn.Linear(4, 1)

    network = Plain()
    assert lower_layers(network) == (network.first, network.second)


@pytest.mark.parametrize("name", DISCRIMINATORS)
@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_roles_describe_tensors_that_are_there_and_no_two_share_a_name(name, role):
    architecture, arguments, _ = DISCRIMINATORS[name]
    network = create_model(architecture, **arguments).networks[role]
    state, declared = network.state_dict(), network.tensor_roles()
    assert declared.keys() <= state.keys()
    roles = tensor_roles(network)
    assert roles.keys() == state.keys()
    assert len({each.name for each in roles.values()}) == len(roles)
    for key, each in roles.items():
        if each.parts:
            lengths = [torch.Size(shape).numel() for shape in each.parts.values()]
            assert sum(lengths) == state[key].shape[each.axis]
