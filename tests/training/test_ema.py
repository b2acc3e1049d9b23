import copy

import pytest
import torch
from torch import nn

from ganzoo.training.ema import ExponentialMovingAverage


@pytest.mark.parametrize(
    ("batch", "half_life", "decay"), [(64, 64, 0.5), (64, 640, 0.5**0.1), (100, 50, 0.25), (8, 0, 0)]
)
def test_decay(batch, half_life, decay):
    average = ExponentialMovingAverage(nn.Linear(1, 1), batch_images=batch, half_life_images=half_life)
    assert average.decay == pytest.approx(decay)


def test_closed_form_after_a_fixed_sequence():
    network = nn.Linear(3, 2)
    average = ExponentialMovingAverage(network, batch_images=10, half_life_images=30)
    start, values = copy.deepcopy(network.state_dict()), [0.5, -1.0, 2.0, 4.0]
    for value in values:
        nn.init.constant_(network.weight, value)
        average.update()
    d, n = 0.5 ** (10 / 30), len(values)
    added = sum((1 - d) * d ** (n - 1 - k) * value for k, value in enumerate(values))
    assert torch.allclose(average.network.weight, d**n * start["weight"] + added, atol=1e-6)
    assert torch.allclose(average.network.bias, start["bias"])


def test_a_half_life_halves_what_was():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1.0)
    average = ExponentialMovingAverage(network, batch_images=1, half_life_images=100)
    nn.init.constant_(network.weight, 0.0)
    for _ in range(100):
        average.update()
    assert float(average.network.weight) == pytest.approx(0.5, rel=1e-5)


def test_half_life_zero_follows_exactly():
    network = nn.Linear(4, 4)
    average = ExponentialMovingAverage(network, batch_images=64, half_life_images=0)
    nn.init.normal_(network.weight)
    average.update()
    assert torch.equal(average.network.weight, network.weight)


def test_buffers_are_copied():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = ExponentialMovingAverage(network, batch_images=1, half_life_images=1000)
    for _ in range(3):
        network(torch.randn(8, 2))
    average.update()
    for mine, theirs in zip(average.network.buffers(), network.buffers(), strict=True):
        assert torch.equal(mine, theirs)
    assert int(average.network[1].num_batches_tracked) == 3


def test_the_average_is_in_eval_mode_and_needs_no_gradients():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).train()
    average = ExponentialMovingAverage(network, batch_images=1, half_life_images=1000)
    assert not any(module.training for module in average.network.modules())
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert network.training
