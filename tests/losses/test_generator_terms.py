import pytest
import torch
from registered import terms
from torch import nn

from ganzoo.errors import ConfigError, ObjectiveError
from ganzoo.losses.feature_matching import FeatureMatching
from ganzoo.losses.l1 import L1
from ganzoo.losses.l2 import L2
from ganzoo.losses.term import GeneratorTerm

PAIRED = [L1(), L2()]


def name(value):
    return type(value).__name__


def unused(samples):
    raise AssertionError("this term has no business with features")


def paired(term, fake, target, real=None):
    return term.value(fake, real, target, None, unused)


def matched(term, fake, real, features):
    return term.value(fake, real, None, None, features)


def test_these_are_the_generator_terms():
    assert set(terms(GeneratorTerm).values()) == {*PAIRED, FeatureMatching()}
    assert {term for term in terms(GeneratorTerm).values() if term.paired} == set(PAIRED)
    assert {term for term in terms(GeneratorTerm).values() if term.uses_features} == {FeatureMatching()}


@pytest.mark.parametrize(
    ("term", "expected"), [(L1(), (1 + 2 + 0 + 0.5) / 4), (L2(), (1 + 4 + 0 + 0.25) / 4)], ids=name
)
@pytest.mark.parametrize("shape", [(2, 2), (1, 1, 2, 2), (4, 1)])
def test_distances_are_means_over_everything(term, expected, shape):
    fake = torch.tensor([1.0, -1.0, 3.0, 0.0]).view(shape)
    target = torch.tensor([0.0, 1.0, 3.0, 0.5]).view(shape)
    value = paired(term, fake, target)
    assert value.shape == ()
    assert value.item() == expected


def test_distances_pull_the_fake_towards_its_target():
    fake = torch.tensor([[1.0, -3.0]], requires_grad=True)
    target = torch.tensor([[0.0, 1.0]])
    paired(L1(), fake, target).backward()
    assert fake.grad.tolist() == [[0.5, -0.5]]
    fake.grad = None
    paired(L2(), fake, target).backward()
    assert fake.grad.tolist() == [[1.0, -4.0]]


@pytest.mark.parametrize("term", PAIRED, ids=name)
def test_a_paired_term_without_a_target_of_its_shape_is_refused(term):
    own = name(term).lower()
    with pytest.raises(ObjectiveError, match=rf"^{own} compares .* none was given for .* \(2, 3\); use paired data"):
        paired(term, torch.zeros(2, 3), None)
    # Which would broadcast.
    with pytest.raises(ObjectiveError, match=rf"^{own} compares .* one of shape \(1, 3\) was given"):
        paired(term, torch.zeros(2, 3), torch.zeros(1, 3))


def shallow_and_deep(samples):
    return samples, samples.square(), samples.sum(1)[:, None, None] * torch.ones(2, 2, dtype=samples.dtype)


REAL = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # means 2, 3; of squares 5, 10; of sums 5
FAKE = torch.tensor([[0.0, 1.0], [2.0, -1.0]])  # means 1, 0; of squares 2, 1; of sums 1


@pytest.mark.parametrize(
    ("layer", "expected"),
    # The last has four equal features, whose squares are added.
    [(0, 1 + 9), (1, 9 + 81), (2, 4 * 16), (-1, 4 * 16), (-2, 9 + 81), (-3, 1 + 9)],
)
def test_feature_matching_is_the_squared_distance_of_batch_means(layer, expected):
    value = matched(FeatureMatching(layer), FAKE, REAL, shallow_and_deep)
    assert value.shape == ()
    assert value.item() == expected


def test_feature_matching_looks_at_the_deepest_layer_by_default():
    assert FeatureMatching() == FeatureMatching(-1)


def test_feature_matching_takes_batches_of_different_sizes():
    more = torch.cat([REAL, REAL])
    assert matched(FeatureMatching(0), FAKE, more, shallow_and_deep).item() == 10


def test_feature_matching_has_gradients_for_the_fake_alone():
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    matched(FeatureMatching(0), fake, real, shallow_and_deep).backward()
    assert real.grad is None
    # Twice the difference of means, of which each of two samples has half.
    assert fake.grad.tolist() == [[-1.0, -3.0], [-1.0, -3.0]]


def test_feature_matching_can_be_descended():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh()).double()
    real, fake = torch.randn(2, 4, 2, 5, 5, dtype=torch.float64)

    def features(samples):
        return (network[0](samples), network(samples))

    assert torch.autograd.gradcheck(
        lambda samples: matched(FeatureMatching(), samples, real, features), fake.requires_grad_()
    )


def test_feature_matching_tells_close_means_apart_in_half_precision():
    # Among numbers near 1, bfloat16 has steps of 1/128; the means differ by 1/256.
    real = torch.tensor([[1.0], [1.0]], dtype=torch.bfloat16)
    fake = torch.tensor([[1.0], [1.0 + 1 / 128]], dtype=torch.bfloat16)
    value = matched(FeatureMatching(0), fake, real, shallow_and_deep)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(1 / 256**2)


@pytest.mark.parametrize("layer", [3, -4, 100])
def test_a_layer_that_does_not_exist_is_refused(layer):
    with pytest.raises(ObjectiveError, match=rf"^feature_matching: layer is {layer}, .* has 3 feature tensors; choose"):
        matched(FeatureMatching(layer), FAKE, REAL, shallow_and_deep)


def test_a_discriminator_without_features_is_refused():
    with pytest.raises(ObjectiveError, match="the discriminator has 0 feature tensors"):
        matched(FeatureMatching(), FAKE, REAL, lambda samples: ())


@pytest.mark.parametrize("layer", [1.5, 1.0, True, "1", None])
def test_a_layer_is_a_whole_number(layer):
    with pytest.raises(ConfigError, match=r"^feature_matching: layer is .*; it takes a whole number, such as -1"):
        FeatureMatching(layer)
