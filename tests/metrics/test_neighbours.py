import pytest
import torch

from ganzoo.metrics.neighbours import memorisation, nearest


def rows(n, seed):
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))


def test_nearest_is_the_smallest_distance():
    assert nearest(torch.tensor([[0.0, 0], [5, 5]]), torch.tensor([[3.0, 4], [5, 6]])).tolist() == [5, 1]


def test_new_samples_are_as_near_to_training_as_to_test_pictures():
    found = memorisation(rows(2500, 0), rows(500, 1), rows(500, 2))
    assert found["nearest_ratio"] == pytest.approx(1, abs=0.05)
    assert found["nearer_to_train"] == pytest.approx(0.5, abs=0.06)


def test_repeated_training_pictures_are_found():
    train, test = rows(500, 1), rows(500, 2)
    found = memorisation(train + 0.01 * rows(500, 3), train, test)
    assert found["nearest_ratio"] < 0.05
    assert found["nearer_to_train"] > 0.99


def test_ties_count_half_and_a_median_of_zero_is_no_division_by_zero():
    same = torch.zeros(4, 2)
    assert memorisation(same, same, same) == {"nearest_ratio": 0, "nearer_to_train": 0.5}


def test_exact_copies_are_at_distance_zero():
    pictures = 100 + torch.randn(300, 128, generator=torch.Generator().manual_seed(0))
    assert not nearest(pictures[:50], pictures).any()
