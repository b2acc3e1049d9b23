import sys

import pytest
import torch

from ganzoo.errors import InputError, MissingExtraError
from ganzoo.metrics.fidelity import compare, fidelity_version


def standard(n, dimension, seed=0):
    """Rows whose mean is exactly 0 and whose covariance is exactly the identity."""
    rows = torch.randn(n, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows = rows - rows.mean(0)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(rows.T.cov()), rows.T, upper=False).T


def test_frechet_of_gaussians_is_the_closed_form():
    # |m|^2 + tr(A + B - 2 (AB)^(1/2)), for A = I and B = diag(s^2): |m|^2 + sum (1 - s)^2
    mean, scale = torch.linspace(-1, 1, 8).double(), torch.linspace(0.5, 2, 8).double()
    first, second = standard(400, 8), standard(300, 8, seed=1) * scale + mean
    expected = float(mean.square().sum() + (1 - scale).square().sum())
    assert compare(second.float(), first.float(), ["frechet"]) == {"frechet": pytest.approx(expected, rel=1e-5)}


def test_identical_sets_are_at_no_distance():
    rows = standard(1000, 16).float()
    found = compare(rows, rows, ["frechet", "precision-recall"])
    assert found["frechet"] == pytest.approx(0, abs=1e-4)
    assert (found["precision"], found["recall"]) == (1, 1)


def test_kid_of_a_linear_shift_is_the_closed_form():
    # E[k] with k = (x.y / d + 1)^3 on constant rows: the unbiased squared distance of two point masses.
    first, second = torch.zeros(1000, 2), torch.ones(1000, 2)
    found = compare(first, second, ["kid"])
    assert found == {"kid": pytest.approx(1 + 8 - 2), "kid_deviation": pytest.approx(0), "kid_subset_size": 1000}


def test_kid_of_few_rows_takes_subsets_of_all_on_the_smaller_side():
    first, second = torch.zeros(31, 128), torch.ones(200, 128)
    found = compare(first, second, ["kid"])
    assert found == {"kid": pytest.approx(1 + 8 - 2), "kid_deviation": pytest.approx(0), "kid_subset_size": 31}


def test_precision_is_of_the_generated_and_recall_of_the_real():
    rows = standard(400, 4).float()
    real = torch.cat([rows, rows + 100])
    found = compare(rows, real, ["precision-recall"])
    assert found == {"precision": 1, "recall": 0.5}


def test_too_few_samples_are_refused():
    with pytest.raises(InputError, match=r"100 samples against 300 real ones are too few .* at least 129 of each"):
        compare(torch.zeros(100, 128), torch.zeros(300, 128), ["frechet"])
    with pytest.raises(InputError, match=r"for kid and precision-recall on 128 features; use at least 4 of each"):
        compare(torch.zeros(3, 128), torch.zeros(300, 128), ["kid", "precision-recall"])


def test_without_torch_fidelity_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    rows = standard(300, 4).float()
    for call in (fidelity_version, lambda: compare(rows, rows, ["frechet"])):
        with pytest.raises(MissingExtraError, match=r'pip install "torch-ganzoo\[eval\]"'):
            call()


def test_comparing_nothing_needs_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    assert compare(torch.zeros(1, 2), torch.zeros(1, 2), ["classes"]) == {}
