import math

import pytest
import torch
from torch import nn

from ganzoo.errors import ConfigError
from ganzoo.losses.term import Constraint
from ganzoo.losses.weight_clipping import WeightClipping


def network():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.normal_()
    layers[1].running_mean.fill_(5.0)
    return layers


def test_learned_parameters_are_clamped_in_place():
    layers = network()
    before = [parameter.detach().clone() for parameter in layers.parameters()]
    places = [parameter.data_ptr() for parameter in layers.parameters()]
    WeightClipping(0.3).apply(layers)
    for parameter, old, place in zip(layers.parameters(), before, places, strict=True):
        assert torch.equal(parameter, old.clamp(-0.3, 0.3))
        assert parameter.data_ptr() == place
        assert parameter.requires_grad
        assert parameter.is_leaf
        assert parameter.grad is None
    assert any(old.abs().max() > 0.3 for old in before)
    assert any(old.abs().min() < 0.3 for old in before)


def test_frozen_parameters_and_buffers_stay():
    layers = network()
    layers[0].requires_grad_(False)
    frozen = [parameter.clone() for parameter in layers[0].parameters()]
    WeightClipping().apply(layers)
    assert all(torch.equal(new, old) for new, old in zip(layers[0].parameters(), frozen, strict=True))
    assert torch.equal(layers[1].running_mean, torch.full((4,), 5.0))
    assert all(parameter.abs().max() <= 0.01 for parameter in layers[1:].parameters())


def test_it_is_a_constraint_with_the_paper_s_limit():
    assert isinstance(WeightClipping(), Constraint)
    assert WeightClipping() == WeightClipping(0.01)


@pytest.mark.parametrize("limit", [0, -0.01, math.nan, math.inf])
def test_a_limit_out_of_range_is_refused(limit):
    with pytest.raises(ConfigError, match=r"^weight_clipping: limit is .*; it takes a number above 0, such as 0\.01"):
        WeightClipping(limit)
