import pytest
import torch
from torch import nn

from ganzoo.errors import ConfigError, InputError
from ganzoo.models.noise import NoiseDropout, drawing_noise, has_noise

ONES = torch.ones(6, 3, 8, 8)


def network(probability=0.5):
    return nn.Sequential(NoiseDropout(probability), nn.Sequential(nn.Identity(), NoiseDropout(probability))).eval()


def drawn(layers, seed, start, stop, x=ONES):
    with drawing_noise(layers, seed, start, stop):
        return layers(x[start:stop])


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_masks_belong_to_samples_whatever_the_batch(probability):
    layer = nn.Sequential(NoiseDropout(probability)).eval()
    together = drawn(layer, 7, 0, 6)
    for size in (1, 2, 3, 4):
        in_batches = [drawn(layer, 7, start, min(start + size, 6)) for start in range(0, 6, size)]
        assert torch.equal(torch.cat(in_batches), together)
    torch.manual_seed(5)
    torch.rand(3)
    assert torch.equal(drawn(layer, 7, 0, 6), together)
    assert torch.equal(drawn(layer, 7, 0, 6, ONES.contiguous(memory_format=torch.channels_last)), together)


def test_masks_differ_by_seed_sample_and_layer():
    layer = nn.Sequential(NoiseDropout(0.5)).eval()
    first = drawn(layer, 0, 0, 6)
    assert not torch.equal(first, drawn(layer, 1, 0, 6))
    assert len({tuple(mask.flatten().tolist()) for mask in first}) == 6
    outputs = []
    layers = network()
    for part in layers.modules():
        if isinstance(part, NoiseDropout):
            part.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    drawn(layers, 0, 0, 6)
    assert not torch.equal(outputs[0] > 0, outputs[1] / outputs[0].clamp(min=1) > 0)


def test_drawing_noise_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(4)
    torch.manual_seed(0)
    drawn(network(), 0, 0, 6)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_masks_drop_as_often_as_asked_and_keep_the_mean(probability):
    layer = nn.Sequential(NoiseDropout(probability)).eval()
    x = torch.ones(64, 1, 32, 32)
    noisy = drawn(layer, 3, 0, 64, x)
    dropped = (noisy == 0).double().mean().item()
    assert abs(dropped - probability) < 5 * (probability * (1 - probability) / x.numel()) ** 0.5
    assert torch.allclose(noisy[noisy != 0], torch.tensor(1 / (1 - probability)))


def test_noise_of_one_seed_and_sample_stays_the_same_across_versions():
    layer = nn.Sequential(NoiseDropout(0.5)).eval()
    with drawing_noise(layer, 2, 40, 41):
        assert layer(torch.ones(1, 16)).tolist() == [[2, 0, 0, 2, 0, 2, 0, 0, 2, 0, 2, 2, 0, 0, 0, 2]]


def test_in_eval_mode_it_does_nothing_and_in_train_mode_it_is_dropout():
    layers = network()
    assert torch.equal(layers(ONES), ONES)
    layers.train()
    torch.manual_seed(0)
    noisy = layers(ONES)
    torch.manual_seed(0)
    assert torch.equal(noisy, nn.Dropout(0.5)(nn.Dropout(0.5)(ONES)))
    torch.manual_seed(0)
    with drawing_noise(layers, 0, 0, 6):  # a network that trains keeps its own dropout
        assert torch.equal(layers(ONES), noisy)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_dtype_stays(dtype):
    noisy = drawn(network(), 0, 0, 6, ONES.to(dtype))
    assert noisy.dtype == dtype
    assert torch.equal(noisy.float(), drawn(network(), 0, 0, 6))


def test_gradients_pass_what_is_kept():
    x = ONES.clone().requires_grad_()
    noisy = drawn(network(), 0, 0, 6, x)
    noisy.sum().backward()
    assert torch.equal(x.grad, noisy.detach())  # of ones


def test_the_state_is_restored_after_an_error():
    layers = network()
    with pytest.raises(RuntimeError, match="mine"), drawing_noise(layers, 0, 0, 6):
        raise RuntimeError("mine")
    assert torch.equal(layers(ONES), ONES)
    drawn(layers, 0, 0, 6)
    assert torch.equal(layers(ONES), ONES)


def test_misuse_is_refused():
    layers = network()
    with drawing_noise(layers, 0, 2, 6):
        with pytest.raises(InputError, match="noise is drawn for 4 samples, and a batch of 6 was given; give those 4"):
            layers(ONES)
        with pytest.raises(InputError, match="drawing noise already"), drawing_noise(layers, 0, 0, 6):
            pass
        assert not torch.equal(layers(ONES[2:]), ONES[2:])  # the outer one goes on
    with pytest.raises(InputError, match="stop takes 3 or more"), drawing_noise(layers, 0, 3, 2):
        pass
    for probability in (-0.1, 1, float("nan")):
        with pytest.raises(ConfigError, match="it takes 0 up to below 1"):
            NoiseDropout(probability)


def test_no_samples_are_no_samples():
    assert drawn(network(), 0, 3, 3).shape == (0, 3, 8, 8)


def test_which_networks_have_noise():
    assert has_noise(network())
    assert not has_noise(network(0.0))
    assert not has_noise(nn.Sequential(nn.Dropout(0.5)))
    assert "0.5" in repr(network())
    with drawing_noise(nn.Sequential(nn.Identity()), 0, 0, 2):
        pass
