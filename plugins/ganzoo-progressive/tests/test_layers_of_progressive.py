"""The layers against closed forms."""

import math

import pytest
import torch
from ganzoo_progressive.layers import (
    LEAKY_RELU_GAIN,
    EqualizedConv2d,
    EqualizedLinear,
    MinibatchDeviation,
    PixelNorm,
)
from torch import nn


def test_equalized_outputs_have_the_variance_that_the_gain_says():
    torch.manual_seed(0)
    conv = EqualizedConv2d(64, 256, 3, padding=0, gain=LEAKY_RELU_GAIN)
    linear = EqualizedLinear(512, 2048)
    assert conv.weight.std().item() == pytest.approx(1, abs=0.01)
    assert conv.scale == pytest.approx(math.sqrt(2 / (64 * 9)))
    assert linear.scale == pytest.approx(1 / math.sqrt(512))
    # Among 256 x 36 x 64 outputs of mean square 2, and 2,048 x 64 of 1; the inputs are fresh for each sample.
    assert conv(torch.randn(64, 64, 8, 8)).square().mean().item() == pytest.approx(2, rel=0.02)
    assert linear(torch.randn(64, 512)).square().mean().item() == pytest.approx(1, rel=0.02)
    assert not conv.bias.any()
    assert not linear.bias.any()


def test_variance_stays_through_many_layers():
    torch.manual_seed(0)
    layers = [
        layer
        for _ in range(20)
        for layer in (EqualizedLinear(512, 512, gain=math.sqrt(2 / (1 + 0.2**2))), nn.LeakyReLU(0.2))
    ]
    with torch.no_grad():
        assert nn.Sequential(*layers)(torch.randn(256, 512)).square().mean().item() == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("width", [4, 64, 1024])
def test_a_step_of_adam_changes_the_effective_weights_by_the_same_share_at_every_width(width):
    torch.manual_seed(0)
    layer = EqualizedLinear(width, 16).double()
    before = (layer.weight * layer.scale).detach().clone()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01, eps=1e-15)
    layer(torch.randn(8, width, dtype=torch.float64)).square().sum().backward()
    optimizer.step()
    change = (layer.weight * layer.scale).detach() - before
    # Adam's first step is the learning rate; the weights themselves begin with a deviation of 1 / sqrt(width).
    assert torch.allclose(change.abs(), torch.full_like(change, 0.01 / math.sqrt(width)), rtol=1e-3)


def test_the_gradient_is_that_of_the_scaled_weight():
    layer = EqualizedConv2d(3, 2, 3, padding=1, gain=0.5).double()
    plain = nn.Conv2d(3, 2, 3, padding=1).double()
    with torch.no_grad():
        plain.weight.copy_(layer.weight * 0.5 / math.sqrt(27))
        plain.bias.copy_(layer.bias)
    samples = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    assert torch.allclose(layer(samples), plain(samples), atol=1e-12)
    for each in (layer, plain):
        each(samples).square().sum().backward()
    assert torch.allclose(layer.weight.grad, plain.weight.grad * 0.5 / math.sqrt(27), atol=1e-12)


def test_pixel_norm_gives_every_position_a_root_mean_square_of_1():
    values = torch.randn(4, 32, 5, 7) * torch.logspace(-2, 3, 7)
    normalized = PixelNorm()(values)
    assert torch.allclose(normalized.square().mean(1).sqrt(), torch.ones(4, 5, 7), atol=1e-3)
    assert torch.allclose(normalized / normalized.norm(dim=1, keepdim=True), values / values.norm(dim=1, keepdim=True))
    assert not PixelNorm()(torch.zeros(1, 8, 2, 2)).any()  # no division by 0
    assert torch.allclose(PixelNorm()(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]) / math.sqrt(12.5))


def test_the_minibatch_deviation_of_a_batch_computed_by_hand():
    # Two samples, one channel, two positions: deviations 1 and 3, so 2 on average.
    batch = torch.tensor([[[[1.0, 0.0]]], [[[3.0, 6.0]]]])
    layer = MinibatchDeviation()
    seen = layer(batch)
    assert seen.shape == (2, 2, 1, 2)
    assert torch.equal(seen[:, :1], batch)
    assert torch.allclose(seen[:, 1], torch.full((2, 1, 2), 2.0))
    assert layer.running_deviation.item() == pytest.approx(0.9 * 1 + 0.1 * 2)


def test_the_running_deviation_is_what_eval_mode_and_single_samples_see():
    layer = MinibatchDeviation()
    for _ in range(300):
        layer(torch.tensor([-0.5, 0.5]).view(2, 1, 1, 1))
    assert layer.running_deviation.item() == pytest.approx(0.5, abs=1e-4)
    single = torch.full((1, 3, 2, 2), 9.0)
    assert torch.equal(layer(single)[:, 3:], layer.running_deviation.expand(1, 1, 2, 2))
    before = layer.running_deviation.clone()
    layer.eval()
    batch = torch.randn(5, 3, 2, 2)
    assert torch.equal(layer(batch)[:1], layer(batch[:1]))
    assert torch.equal(layer.running_deviation, before)


def test_the_running_deviation_stays_where_statistics_are_frozen():
    layer = MinibatchDeviation()
    layer.track_running_stats = False
    assert layer(torch.tensor([-2.0, 2.0]).view(2, 1, 1, 1))[0, 1].item() == pytest.approx(2)  # still the batch's own
    assert layer.running_deviation == 1


@pytest.mark.parametrize("layer", [PixelNorm(), MinibatchDeviation()], ids=["pixel norm", "deviation"])
def test_second_derivatives(layer):
    layer.track_running_stats = False
    torch.manual_seed(0)
    values = torch.randn(3, 4, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer.double(), (values,))
    assert torch.autograd.gradgradcheck(layer.double(), (values,))


def test_second_derivatives_are_finite_where_all_samples_are_equal():
    layer = MinibatchDeviation()
    values = torch.ones(4, 2, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(values).sum(), values, create_graph=True)
    gradient.square().sum().backward()
    assert gradient.isfinite().all()
    assert values.grad.isfinite().all()
