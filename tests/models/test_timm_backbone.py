"""These import timm, which takes seconds; the backbones are timm's tiny ones for tests, but for one resnet18."""

import dataclasses
import json
import subprocess
import sys

import pytest
import torch

from ganzoo import weights
from ganzoo.config import build_config
from ganzoo.errors import ConfigError, InputError, WeightsError
from ganzoo.losses.term import squared_gradient_norm
from ganzoo.models.architecture import Condition, call, weights_coming
from ganzoo.models.timm_backbone import TIMM, TimmConfig, TimmDiscriminator, arguments_for

TINY = ["test_resnet", "test_convnext", "test_efficientnet", "test_vit"]
CONDITIONS = [{}, {"num_classes": 3}, {"source_channels": 2}]


def config(**arguments):
    return TimmConfig(**{"image_size": 32, "backbone": "test_resnet", "head_channels": 8} | arguments)


def discriminator(**arguments):
    torch.manual_seed(0)
    return TimmDiscriminator(config(**arguments)).eval()


def inputs(network, n=4):
    rng = torch.Generator().manual_seed(1)
    sample = torch.rand(n, *network.sample_shape, generator=rng) * 2 - 1
    declared = network.condition
    condition = {
        "none": None,
        "label": torch.arange(n) % max(declared.num_classes, 1),
        "image": torch.rand(n, *declared.shape, generator=rng) * 2 - 1,
    }[declared.kind]
    declared.check(condition, n)
    return sample, condition


@pytest.fixture
def no_fetching(monkeypatch):
    """Stand in for timm's fetching of weights; the list collects what was asked for."""
    import timm.models._builder as builder

    asked = []
    monkeypatch.setattr(builder, "load_pretrained", lambda model, **arguments: asked.append(type(model).__name__))
    return asked


def test_importing_it_does_not_import_timm():
    program = "import sys, ganzoo.models.timm_backbone as t; t.TimmConfig(); print('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("arguments", CONDITIONS, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shapes_and_conditions(channels, arguments):
    network = discriminator(channels=channels, image_size=(32, 40), feature_levels=(1, 3), **arguments)
    assert network.sample_shape == (channels, 32, 40)
    assert network.condition.kind == {0: "none", 3: "label", 2: "image"}[sum(arguments.values())]
    sample, condition = inputs(network)
    logits = call(network, sample, condition)
    assert logits.shape == (4,)
    assert [level.shape for level in network.features(sample, condition)] == [(4, 32, 8, 10), (4, 192, 2, 3)]
    if condition is not None:
        assert not torch.allclose(network(sample, condition.flip(0))[1:3], logits[1:3], atol=1e-6)


def test_an_image_condition_is_needed():
    with pytest.raises(InputError, match="needs an image of 2x32x32"):
        discriminator(source_channels=2)(torch.zeros(1, 3, 32, 32))


def test_the_logit_is_the_mean_over_positions_and_levels():
    network = discriminator(feature_levels=(1, 2), num_classes=3)
    sample, labels = inputs(network)
    expected = []
    for head, level in zip(network.heads, network.features(sample, labels), strict=True):
        hidden = head.hidden(level)
        projected = torch.stack([head.embedding.weight[:, label] for label in labels])
        expected.append(head.output(hidden).mean(dim=(1, 2, 3)) + (projected * hidden.mean(dim=(2, 3))).sum(dim=1))
    assert torch.allclose(network(sample, labels), sum(expected) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "size", "level"),
    [
        ("test_resnet", 8, 0),
        ("test_resnet", 16, 1),
        ("test_resnet", (16, 64), 1),
        ("test_resnet", 32, 2),
        ("test_resnet", 128, 4),
        ("test_resnet", 2, 0),
        ("test_vit", 16, 5),
    ],
)
def test_the_deepest_level_with_enough_positions_is_chosen(backbone, size, level):
    with torch.device("meta"):
        assert TimmDiscriminator(config(backbone=backbone, image_size=size)).levels == (level,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "resnet81"}, "timm.list_models() has no 'resnet81'; did you mean 'resnet18'"),
        ({"backbone": "hf-hub:timm/resnet18"}, "timm.list_models() has no 'hf-hub:timm/resnet18'"),
        ({"backbone": ""}, "timm.list_models() has no ''"),
        ({"backbone": "resnet18.a4_in1k"}, "resnet18 has no weights 'resnet18.a4_in1k'; did you mean 'resnet18.a"),
        ({"backbone": "crossvit_tiny_240"}, "crossvit_tiny_240 cannot take 32x32 pictures ("),
        ({"feature_levels": (1, 5)}, "feature_levels is (1, 5); test_resnet has levels 0 to 4"),
        ({"feature_levels": (4,), "image_size": 16}, "the pictures are 16x16; take feature_levels from 0, 1, 2, 3, or"),
        ({"image_size": 1}, "the pictures are 1x1; take pictures of at least 2 pixels a side"),
        ({"backbone": "inception_v3", "feature_levels": (4,)}, "inception_v3 cannot take 32x32 pictures ("),
    ],
    ids=str,
)
def test_what_a_backbone_cannot_do_is_refused(arguments, message):
    with pytest.raises(ConfigError) as refused:
        discriminator(**arguments)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_backbone_without_feature_levels_is_refused(monkeypatch):
    import timm

    def fail(**arguments):
        raise RuntimeError("features_only not implemented")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(ConfigError, match=r"gives no feature levels for 32x32 pictures \(RuntimeError: features_only"):
        discriminator()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "image_size is 0x0; each side takes 1 to 1024 pixels"),
        ({"image_size": (64, 2000)}, "image_size is 64x2000"),
        ({"channels": 0}, "channels is 0; it takes a whole number from 1 to 64"),
        ({"num_classes": 2**20}, "num_classes is 1048576"),
        ({"source_channels": -1}, "source_channels is -1"),
        ({"head_channels": 0}, "head_channels is 0"),
        ({"num_classes": 2, "source_channels": 1}, "at most one of the two takes a number above 0"),
        ({"feature_levels": (2, 1)}, "feature_levels is (2, 1); it takes whole numbers from 0, each above"),
        ({"feature_levels": (-1,)}, "feature_levels is (-1,)"),
        ({"feature_levels": (1, 1)}, "feature_levels is (1, 1)"),
        ({"backbone": 18}, "backbone is '18' (int)"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ConfigError) as refused:
        build_config(TimmConfig, arguments, "timm")
    assert message in str(refused.value)


@pytest.mark.parametrize("arguments", CONDITIONS, ids=str)
@pytest.mark.parametrize("frozen", [False, True])
def test_what_is_not_frozen_learns(frozen, arguments):
    network = discriminator(freeze_backbone=frozen, **arguments).train()
    sample, condition = inputs(network)
    sample.requires_grad_()
    call(network, sample, condition).square().sum().backward()
    assert all((parameter.grad is None) == frozen for parameter in network.backbone.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.heads.parameters())
    assert sample.grad.abs().sum() > 0


@pytest.mark.parametrize("backbone", [*TINY, "resnet18"])
def test_samples_are_seen_singly_and_weights_fill_a_network_on_the_meta_device(backbone, tmp_path):
    network = discriminator(backbone=backbone, num_classes=3)
    sample, labels = inputs(network)
    together = network(sample, labels)
    assert torch.equal(network(sample, labels), together)
    singly = torch.cat([network(sample[i : i + 1], labels[i : i + 1]) for i in range(4)])
    assert torch.allclose(singly, together, atol=1e-4)

    weights.save_tensors(tmp_path / "weights.safetensors", network.state_dict())
    saved = json.loads(json.dumps(dataclasses.asdict(config(backbone=backbone, num_classes=3))))
    with torch.device("meta"), weights_coming():
        again = TIMM.networks["discriminator"](build_config(TimmConfig, saved, "timm"))
    assert all(parameter.is_meta for parameter in again.parameters())
    weights.assign(again, weights.read_tensors(tmp_path / "weights.safetensors"), "test")
    assert torch.equal(again.eval()(sample, labels), together)


def test_the_number_of_parameters():
    network = discriminator(backbone="resnet18", head_channels=128)
    # Up to the level of 8-fold reduction: the first convolution and norm, then two stages of two blocks.
    backbone = (3 * 64 * 49 + 128) + 4 * (64 * 64 * 9 + 128)
    backbone += (64 * 128 * 9 + 256) + 3 * (128 * 128 * 9 + 256) + (64 * 128 + 256)
    assert sum(parameter.numel() for parameter in network.backbone.parameters()) == backbone
    assert sum(parameter.numel() for parameter in network.heads.parameters()) == 128 * 128 * 9 + 128 + 129


def test_channels_last_and_bf16():
    network = discriminator(num_classes=3)
    sample, labels = inputs(network)
    logits = network(sample, labels)
    network.to(memory_format=torch.channels_last)
    last = sample.contiguous(memory_format=torch.channels_last)
    assert torch.allclose(network(last, labels), logits, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(network(last, labels).float(), logits, atol=0.05)


@pytest.mark.parametrize(("channels", "source_channels"), [(3, 0), (1, 0), (3, 3), (3, 1)])
def test_a_pretrained_backbone_gets_pictures_as_it_knows_them(channels, source_channels, no_fetching):
    arguments = {"channels": channels, "source_channels": source_channels, "backbone_pretrained": True}
    network = discriminator(**arguments)
    assert no_fetching == ["ResNet"]
    described = network.backbone.pretrained_cfg
    mean, std = torch.tensor(described["mean"])[:, None, None], torch.tensor(described["std"])[:, None, None]
    sample, source = inputs(network)
    seen = torch.cat([part for part in (source, sample) if part is not None], dim=1)
    normalized = network.normalize(seen)
    if channels == 3:
        assert torch.allclose(normalized[:, -3:], ((sample + 1) / 2 - mean) / std, atol=1e-5)
    else:
        assert torch.allclose(normalized, ((sample + 1) / 2 - mean.mean()) / std.mean(), atol=1e-5)
    if source_channels == 3:
        assert torch.allclose(normalized[:, :3], ((source + 1) / 2 - mean) / std, atol=1e-5)
    assert {"normalize.scale", "normalize.shift"} <= set(network.state_dict())
    with weights_coming():
        again = discriminator(**arguments)
    assert no_fetching == ["ResNet"]  # what a saved model replaces is not fetched
    assert set(again.state_dict()) == set(network.state_dict())


def test_pretrained_weights_that_cannot_be_fetched(monkeypatch):
    import timm.models._builder as builder

    def fail(*arguments, **keywords):
        raise OSError("no route\nto host " + "x" * 500)

    monkeypatch.setattr(builder, "load_pretrained", fail)
    with pytest.raises(
        WeightsError, match=r"weights of test_resnet cannot be fetched \(OSError: no route to host"
    ) as e:
        discriminator(backbone_pretrained=True)
    assert str(e.value).endswith("connect to the network, or set backbone_pretrained to false")
    assert len(str(e.value)) < 350


def test_arguments_for_data():
    assert arguments_for((3, 32, 48), Condition()) == {"image_size": (32, 48), "channels": 3, "num_classes": 0}
    assert arguments_for((1, 32, 32), Condition.label(5))["num_classes"] == 5
    assert arguments_for((1, 32, 32), Condition.image((3, 32, 32)))["source_channels"] == 3
    with pytest.raises(ConfigError, match="sources are 16x32 and the pictures 32x32; they need one size"):
        arguments_for((1, 32, 32), Condition.image((3, 16, 32)))
    with pytest.raises(ConfigError, match=r"timm takes pictures .* shape \(2,\)"):
        arguments_for((2,), Condition())
    assert TIMM.kinds("discriminator") == ("none", "label", "image")
    assert set(TIMM.networks) == {"discriminator"}


@pytest.mark.parametrize("backbone", ["test_vit", "test_convnext"])  # smooth ones
def test_a_gradient_penalty_has_gradients_of_its_own(backbone):
    network = discriminator(backbone=backbone).double()
    sample = inputs(network, 2)[0].double()

    def penalty():
        return squared_gradient_norm(network, sample).sum()

    # Along a direction in the weights, the penalty's gradient is what its differences say.
    parameters = list(network.parameters())
    rng = torch.Generator().manual_seed(2)
    directions = [torch.randn(each.shape, generator=rng, dtype=torch.float64) for each in parameters]
    gradients = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    slope = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True) if g is not None)
    values = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter += step * direction
        values.append(penalty().item())
    assert slope.item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4)


def test_attention_is_the_same_whether_a_gradient_is_asked_for():
    network = discriminator(backbone="test_vit")
    sample, _ = inputs(network)
    with torch.no_grad():
        fused = network(sample)
    torch.testing.assert_close(network(sample.requires_grad_()), fused)
