"""Text, names, and what must be true of each registered augmentation."""

import pytest
import torch

from ganzoo import plugins
from ganzoo.augmentations.augmentation import Augmentation
from ganzoo.augmentations.parsing import augmentation_class, read_augmentation, text_of
from ganzoo.errors import ConfigError, UnknownNameError
from ganzoo.registry import Provider, Registry
from ganzoo.shares import Share, sharing

NAMES = [entry.name for entry in plugins.entries("augmentation", provider="torch-ganzoo")]
FULL = {"ada": "ada(p=1, rise=0)", "instance_noise": "instance_noise(0.5)", "diffaugment": "diffaugment"}


def augment(text, samples, source=None, seed=0):
    augmentation = read_augmentation(text)
    rng = torch.Generator().manual_seed(seed)
    return augmentation.augment(samples, source, rng, state=augmentation.initial_state(), images=0)


def test_there_are_such_and_each_is_tried():
    assert set(NAMES) == FULL.keys()


@pytest.mark.parametrize("name", NAMES)
def test_text_reads_back(name):
    augmentation = read_augmentation(name)
    assert isinstance(augmentation, augmentation_class(plugins.find("augmentation", name)))
    written = text_of(augmentation)
    assert written.startswith(f"{name}(")
    assert read_augmentation(written) == augmentation
    assert text_of(read_augmentation(written)) == written


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("ada(0.5)", "ada(target=0.5)"),
        ("instance-noise(0.2, until=5)", "instance_noise(deviation=0.2, until=5)"),
        (" diffaugment(translation=1, cutout=0) ", "diffaugment(cutout=0.0, translation=1.0)"),
        ("diffaugment()", "diffaugment"),
    ],
)
def test_the_same_in_other_words(text, same):
    assert read_augmentation(text) == read_augmentation(same)


def test_nothing_is_no_augmentation():
    assert read_augmentation("") is None
    assert read_augmentation("  ") is None
    assert text_of(None) == ""


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("diffaugmnt", UnknownNameError, "did you mean 'diffaugment'"),
        ("ada(targe=0.6)", ConfigError, "ada: there is no setting 'targe'; did you mean 'target'"),
        ("ada(0.6", ConfigError, "cannot be read; it takes a name such as 'diffaugment'"),
        ("ada + diffaugment", ConfigError, "contains 'ada \\+ diffaugment', which cannot be read"),
        ("2 * ada", ConfigError, "contains '2 \\* ada'"),
        ("ada(target=x)", ConfigError, "contains 'x'"),
        ("ada(rise=0.5)", ConfigError, "rise is '0.5' \\(float\\); it takes a whole number"),
        ("instance_noise(1, 2, 3)", ConfigError, "3 arguments were given"),
        ("instance_noise(1, deviation=1)", ConfigError, "deviation is given twice"),
        ("(" * 300 + "ada", ConfigError, "cannot be read"),
    ],
)
def test_refused_in_a_sentence(text, error, says):
    with pytest.raises(error, match=says):
        read_augmentation(text)


def test_what_is_registered_and_is_no_augmentation_is_refused():
    registry = Registry(Provider("waves", "1.0", "waves"))
    registry.augmentation("none", dict, summary="")
    with pytest.raises(ConfigError, match="waves/none is registered as an augmentation, but is no Augmentation"):
        augmentation_class(registry.entries[0])


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("text", FULL.values())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_and_dtypes_stay(text, channels, dtype):
    given, source = torch.rand(6, channels, 8, 10, dtype=dtype), torch.rand(6, 1, 8, 10, dtype=dtype)
    found, moved = augment(text, given, source)
    assert (found.shape, found.dtype, moved.shape, moved.dtype) == (given.shape, dtype, source.shape, dtype)
    assert not torch.equal(found, given)
    assert found.isfinite().all()
    alone, none = augment(text, given)
    assert none is None
    assert torch.equal(alone, found)  # the source changes nothing about the sample


@pytest.mark.parametrize("text", FULL.values())
def test_draws_come_from_the_generator_alone(text):
    given = torch.rand(6, 3, 8, 8)
    torch.manual_seed(0)
    first = augment(text, given, seed=1)[0]
    torch.manual_seed(1)
    assert torch.equal(augment(text, given, seed=1)[0], first)
    assert not torch.equal(augment(text, given, seed=2)[0], first)


@pytest.mark.parametrize("text", FULL.values())
def test_two_processes_draw_their_parts_of_the_whole(text):
    given = torch.rand(8, 3, 8, 8, dtype=torch.float64)
    whole = augment(text, given)[0]
    for number in range(2):
        with sharing(Share(number, 2)):
            part = augment(text, given[4 * number : 4 * number + 4])[0]
        assert torch.allclose(part, whole[4 * number : 4 * number + 4], atol=1e-12)


@pytest.mark.parametrize("text", FULL.values())
def test_given_samples_are_left_as_they_were(text):
    given, source = torch.rand(6, 3, 8, 8), torch.rand(6, 1, 8, 8)
    before = given.clone(), source.clone()
    augment(text, given, source)
    assert torch.equal(given, before[0])
    assert torch.equal(source, before[1])


@pytest.mark.parametrize("name", NAMES)
def test_it_is_frozen_and_can_be_compared(name):
    one, other = read_augmentation(name), read_augmentation(name)
    assert one == other
    assert hash(one) == hash(other)
    assert isinstance(one, Augmentation)
    with pytest.raises(AttributeError):
        one.anything = 1
