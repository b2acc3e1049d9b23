import math

import pytest
import torch

from ganzoo.metrics.classes import class_shares, divergence_from_uniform, label_accuracy, mean_confidence


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.25] * 4, 0),
        ([1, 0, 0, 0], math.log(4)),
        ([0.5, 0.5, 0, 0], math.log(2)),
        ([0.7, 0.1, 0.1, 0.1], 0.7 * math.log(2.8) + 0.3 * math.log(0.4)),
    ],
)
def test_divergence_from_uniform_is_the_closed_form(shares, expected):
    assert divergence_from_uniform(torch.tensor(shares, dtype=torch.float64)) == pytest.approx(expected, abs=1e-12)


def test_class_shares_count_the_likeliest_classes():
    logits = torch.tensor([[2.0, 1, 0], [0, 3, 1], [5, 4, 3], [1, 0, 0]])
    assert class_shares(logits).tolist() == [0.75, 0.25, 0]
    assert label_accuracy(logits, torch.tensor([0, 1, 2, 0])) == 0.75


def test_mean_confidence_lies_between_guessing_and_certainty():
    assert mean_confidence(torch.zeros(5, 10)) == pytest.approx(0.1)
    assert mean_confidence(100 * torch.eye(4)) == pytest.approx(1)
