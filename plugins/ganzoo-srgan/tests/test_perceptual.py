"""The term: its value by hand, its gradient, and what it refuses."""

import os

import pytest
import timm
import torch
from ganzoo_srgan.frozen import BackboneLevels, frozen_network
from ganzoo_srgan.perceptual import Perceptual

import ganzoo
from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.downscaled import downscaled
from ganzoo.errors import ConfigError, ObjectiveError, UnknownNameError, WeightsError
from ganzoo.losses.parsing import parse
from ganzoo.metrics.judge import load_judge

CPU = torch.device("cpu")


def pictures(seed, n=3, size=28):
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def value(fake, target, level=1, network="judge-mnist"):
    return Perceptual(network, level).value(fake, target, target, None, lambda _: ())


def test_it_is_zero_on_equal_pictures_and_above_on_others():
    for level in (0, 1):
        assert value(pictures(0), pictures(0), level).item() == 0
        assert value(pictures(0), pictures(1), level).item() > 0


@pytest.mark.parametrize(("network", "ends"), [("judge-mnist", (6, 12)), ("judge-mnist-b", (3, 5, 8))])
def test_it_is_the_mean_square_between_the_judge_s_own_tensors(network, ends):
    judge = load_judge(network).network
    fake, target = pictures(0), pictures(1)
    for level, end in enumerate(ends):
        features = [judge.body[:end](side) for side in (fake, target)]  # the body takes what is normalised to [-1, 1]
        by_hand = (features[0].double() - features[1].double()).square().sum() / features[0].numel()
        assert value(fake, target, level, network).item() == pytest.approx(by_hand.item(), rel=1e-4)


def test_its_gradient_reaches_the_samples_and_nothing_else():
    fake, target = pictures(0).requires_grad_(), pictures(1).requires_grad_()
    value(fake, target).backward()
    assert fake.grad.abs().sum() > 0
    assert target.grad is None
    network = frozen_network("judge-mnist", 1, (1, 28, 28), CPU)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(module.training for module in network.modules())
    step = value((fake - 1e-2 * fake.grad / fake.grad.norm()).detach(), target)
    assert step < value(fake, target)


def test_levels_of_a_backbone_see_pictures_normalised_as_it_was_trained_on():
    torch.manual_seed(0)
    backbone = timm.create_model("test_resnet", features_only=True, in_chans=3).eval()
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    levels = BackboneLevels(backbone, mean, std, 3)
    x = torch.rand(2, 3, 32, 32)
    normalised = torch.stack([(x[:, k] - mean[k]) / std[k] for k in range(3)], dim=1)
    for own, theirs in zip(levels(2 * x - 1), backbone(normalised), strict=True):
        assert torch.allclose(own, theirs, atol=1e-5)
    grey = BackboneLevels(backbone, mean, std, 1)
    assert grey.mean.flatten().tolist() == pytest.approx([0.4])


def test_it_is_written_in_an_objective_by_name():
    objective = parse("0.01 * non_saturating + l1 + 0.5 * srgan/perceptual(judge-mnist, level=0)")
    assert objective.parts[2].term == Perceptual("judge-mnist", 0)
    assert str(objective).endswith("0.5 * srgan/perceptual(network=judge-mnist, level=0)")
    assert parse(str(objective)) == objective
    assert parse("hinge + perceptual(network=vgg19.tv_in1k)").parts[1].term == Perceptual("vgg19.tv_in1k", 1)


def trainer(term, channels=1, size=28):
    table = table_from_arrays(torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1).expand(8, channels, size, size))
    arguments = {"base_channels": 4, "blocks": 1}
    return ganzoo.Trainer(
        "srgan",
        f"non_saturating + {term}",
        downscaled(table, 2),
        images=8,
        batch_size=4,
        model_args=arguments,
        progress=False,
    )


@pytest.mark.parametrize(
    ("term", "channels", "error", "message"),
    [
        (
            "perceptual(judge-mnist, 2)",
            1,
            ObjectiveError,
            "level is 2, and judge-mnist has the levels 0 to 1 of pictures of",
        ),
        ("perceptual(judge-mnist)", 3, ObjectiveError, r"judge-mnist cannot look at pictures of shape \(3, 28, 28\)"),
        ("perceptual(nothing_such)", 1, UnknownNameError, "no judge and no backbone of timm's is named 'nothing_such'"),
        ("perceptual(vgg_19)", 1, UnknownNameError, "did you mean 'vgg19'"),
        ("perceptual(level=1)", 1, ConfigError, "the setting 'network' is missing"),
        ("perceptual(judge-mnist, -1)", 1, ConfigError, "level is -1; it takes a whole number from 0 to 100"),
    ],
)
def test_refusals_come_before_the_first_batch(term, channels, error, message):
    with pytest.raises(error, match=message):
        trainer(term, channels)


def test_weights_that_cannot_be_had_are_a_typed_error(monkeypatch, tmp_path):
    # As without a network: nothing is in the cache, and nothing may be fetched.
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setitem(os.environ, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"the pretrained weights of timm's vgg11 cannot be had .*; connect to the network"
    ):
        trainer("perceptual(vgg11)", 3, 32)


def test_unpaired_samples_and_points_are_refused():
    with pytest.raises(ObjectiveError, match="compares each sample with its target"):
        ganzoo.Trainer("mlp", "non_saturating + perceptual(judge-mnist)", "mnist-test", images=8)
    with pytest.raises(ObjectiveError, match=r"perceptual compares pictures .* and the samples have shape \(2,\)"):
        value(torch.zeros(3, 2), torch.zeros(3, 2))


def test_the_global_generator_is_left_as_it_was():
    frozen_network.cache_clear()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    value(pictures(0), pictures(1))
    assert torch.equal(torch.rand(4), expected)


def test_a_run_with_it_lowers_it():
    run = trainer("100 * perceptual(judge-mnist, 0)")
    run.fit()
    assert "srgan/perceptual" in run.monitor.values or any("perceptual" in name for name in run.monitor.values)
