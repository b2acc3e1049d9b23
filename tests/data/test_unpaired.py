"""Pictures of two kinds that do not belong together: where they are found, and in which order they come."""

import logging

import numpy as np
import pytest
import torch
from picture_files import encoded, noise, write_files, write_tar

from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.loading import open_data
from ganzoo.data.npz import open_npz, write_npz
from ganzoo.data.table import Table
from ganzoo.data.unpaired import hide_pairs, open_unpaired
from ganzoo.errors import DataError, InputError, ObjectiveError, UnknownNameError
from ganzoo.training.batches import Batches
from ganzoo.training.settings import Settings
from ganzoo.training.trainer import Trainer

LEFT = [noise(seed) for seed in range(5)]
RIGHT = [noise(seed + 100) for seed in range(3)]


def stacked(pictures):
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def files(sources="A/", samples="B/", left=LEFT, right=RIGHT):
    """Return five sources and three samples, named by place."""
    found = {f"{sources}{i}.png": encoded(picture) for i, picture in enumerate(left)}
    return found | {f"{samples}other-{i}.bmp": encoded(picture, "BMP") for i, picture in enumerate(right)}


def paired(n=6, channels=1):
    """Return paired pictures whose values say which row they are of."""
    rows = torch.arange(n, dtype=torch.uint8)[:, None, None, None]
    return Table(rows.expand(n, 3, 8, 8).clone(), sources=rows.expand(n, channels, 8, 8).clone(), name="rows")


@pytest.mark.parametrize("kind", ["folder", "tar"])
@pytest.mark.parametrize(
    ("sources", "samples"),
    [
        ("A/", "B/"),
        ("a/", "b/"),
        ("trainA/", "trainB/"),
        ("train/A/", "train/B/"),
        ("A/train/", "B/train/"),
        ("horse2zebra/trainA/", "horse2zebra/trainB/"),
        ("A/inner/", "B/deep/er/"),
    ],
)
def test_counts_may_differ_wherever_they_lie(tmp_path, kind, sources, samples):
    content = files(sources, samples)
    path = write_files(tmp_path / "data", content) if kind == "folder" else write_tar(tmp_path / "data.tar", content)
    table = open_data(f"unpaired:{path}")
    assert torch.equal(table.sources, stacked(LEFT))
    assert torch.equal(table.samples, stacked(RIGHT))
    assert (table.name, table.paired, table.labels) == ("data", False, None)
    again = open_data(table.source)
    assert again.fingerprint() == table.fingerprint()
    assert (again.source, again.name) == (table.source, table.name)


def test_the_reversal_exchanges_the_two(tmp_path):
    path = write_files(tmp_path / "data", files())
    table = open_data(f"reversed-unpaired:{path}")
    assert torch.equal(table.samples, stacked(LEFT))
    assert torch.equal(table.sources, stacked(RIGHT))
    assert table.source.startswith("reversed-unpaired,")
    assert open_data(table.source).fingerprint() == table.fingerprint()


@pytest.mark.parametrize("layout", ["{split}{side}/", "{split}/{side}/", "{side}/{split}/"])
def test_splits_as_the_data_sets_of_cyclegan_have_them(tmp_path, layout):
    content = {}
    for split, (left, right) in {"train": (LEFT[:3], RIGHT[:2]), "test": (LEFT[3:], RIGHT[2:])}.items():
        places = [layout.format(split=split, side=side) for side in "AB"]
        content |= files(*places, left, right)
    path = write_files(tmp_path / "data", content)
    train, test = (open_data(f"unpaired:{path}", split=split) for split in ("train", "test"))
    assert torch.equal(train.sources, stacked(LEFT[:3]))
    assert torch.equal(test.samples, stacked(RIGHT[2:]))
    assert torch.equal(open_data(f"unpaired@test:{path}").sources, stacked(LEFT[3:]))
    assert (train.name, test.name) == ("data", "data-test")
    with pytest.raises(DataError, match="has no pictures of the split 'val'; it has train, test"):
        open_data(f"unpaired:{path}", split="val")


def test_one_size_for_both_kinds_and_channels_as_each_has_them(tmp_path):
    grey = [noise(seed, 10, 12, 1) for seed in range(4)]
    content = {f"A/{i}.png": encoded(picture) for i, picture in enumerate(grey)}
    content |= {f"B/{i}.png": encoded(picture) for i, picture in enumerate(RIGHT)}
    path = write_files(tmp_path / "data", content)
    table = open_unpaired(path)
    assert (table.condition.shape, table.sample_shape) == ((1, 64, 64), (3, 64, 64))  # as they differ
    asked = open_data(f"unpaired,image_size=6x8,resize=stretch:{path}")
    assert (asked.condition.shape, asked.sample_shape) == ((1, 6, 8), (3, 6, 8))
    assert torch.equal(asked.samples, stacked(RIGHT))
    assert open_data(asked.source).fingerprint() == asked.fingerprint()


def test_what_is_held_out_is_so_in_both_kinds(tmp_path):
    pictures = [np.full((4, 4, 3), i, dtype=np.uint8) for i in range(150)]
    few = write_files(tmp_path / "few", files(left=pictures, right=pictures[:20]))
    assert len(open_unpaired(few).sources) == 150  # 20 are too few to hold any out
    many = write_files(tmp_path / "many", files(left=pictures, right=pictures))
    train, test = (open_unpaired(many, split=split) for split in ("train", "test"))
    for kind in ("samples", "sources"):
        parts = [getattr(table, kind)[:, 0, 0, 0].tolist() for table in (train, test)]
        assert sorted(parts[0] + parts[1]) == list(range(150))
        assert 0 < len(parts[1]) < 40
    assert "held_out=0.1" in train.source


@pytest.mark.parametrize(
    ("content", "text", "says"),
    [
        ({"A/0.png": encoded(LEFT[0])}, "unpaired:{}", "no two folders of pictures that are told apart; give"),
        ({"A/0.png": encoded(LEFT[0]), "B/x.txt": b""}, "unpaired:{}", "there are no pictures in '.*B'; give"),
        (files(), "unpaired,size=4:{}", "the option 'size' of .* is unknown"),
        (files(), "unpaired@half:{}", "there is no split 'half'"),
        (files(), "unpaired:", "names no path; give 'unpaired:PATH'"),
        ({}, "unpaired,image_size=64:ring", "states options for pictures in folders, and 'ring' is none"),
        (files(), "unpaired:unpaired:{}", "takes apart twice what belongs together"),
        ({}, "unpaired:" * 3000, "takes apart twice what belongs together"),
        ({}, "unpaired:" + "a" * 5000, "There is no folder or file|there is no folder or file"),
        ({}, "unpaired:ring", "ring has no sources; 'unpaired:' takes folders A"),
    ],
)
def test_refusals(tmp_path, content, text, says):
    path = write_files(tmp_path / "data", content)
    with pytest.raises((DataError, InputError, UnknownNameError), match=says):
        open_data(text.format(path))


def test_pairs_can_be_taken_as_if_unpaired(tmp_path):
    halves = {f"{i}.png": encoded(np.concatenate([LEFT[i], RIGHT[i]], axis=1)) for i in range(3)}
    path = write_files(tmp_path / "data", halves)
    table, pairs = open_data(f"unpaired:pairs:{path}"), open_data(f"pairs:{path}")
    assert (table.paired, table.name) == (False, "data-unpaired")
    assert torch.equal(table.sources, pairs.sources)
    assert table.fingerprint() != pairs.fingerprint()
    assert open_data(table.source).fingerprint() == table.fingerprint()
    turned = open_data(f"reversed-unpaired:pairs:{path}")
    assert torch.equal(turned.samples, pairs.sources)
    assert open_data(turned.source).fingerprint() == turned.fingerprint()
    write_npz(pairs, tmp_path / "pairs.npz")
    assert open_data(f"unpaired:{tmp_path / 'pairs.npz'}").fingerprint() == table.fingerprint()


def test_an_npz_file_keeps_them_unpaired(tmp_path):
    table = open_unpaired(write_files(tmp_path / "data", files()))
    write_npz(table, tmp_path / "packed.npz")
    again = open_npz(tmp_path / "packed.npz")
    assert (again.paired, again.fingerprint()) == (False, table.fingerprint())


def test_a_batch_has_no_target_and_any_source():
    table = hide_pairs(paired())
    batch = table.batch(torch.tensor([4, 1]), sources=torch.tensor([0, 5]))
    rows = [(each[:, 0, 0, 0] * 127.5 + 127.5).round().int().tolist() for each in (batch.sample, batch.condition)]
    assert rows == [[4, 1], [0, 5]]
    assert batch.target is None
    few = Table(table.samples, sources=table.sources[:4], paired=False)
    assert torch.equal(few.batch(torch.tensor([5])).condition, few.batch(torch.tensor([1])).condition)  # in turn


@pytest.mark.parametrize("changes", [{"sources": None}, {"sources": torch.zeros(4, 1, 8, 8)}])
def test_what_is_no_such_table_is_refused(changes):
    samples = paired().samples
    with pytest.raises(DataError, match=r"there are no sources|give pictures, torch.uint8 like the samples"):
        Table(samples, paired=False, **changes)
    with pytest.raises(DataError, match="give one picture a sample"):
        Table(samples, sources=torch.zeros(4, 1, 8, 8, dtype=torch.uint8))


def numbers(table, *, seed=0, steps=12, batch=3, device_steps=1):
    """Return the rows of samples and of sources that a run is shown, which tables of `paired` say."""
    settings = Settings(images=1, batch_size=batch, seed=seed, discriminator_steps=device_steps, device="cpu")
    batches, shown = Batches(table, settings.resolved(), torch.contiguous_format), ([], [])
    for index in range(steps):
        for number in range(device_steps):
            found = batches.batch(index, number)
            for side, values in zip(shown, (found.sample, found.condition), strict=True):
                side.extend((values[:, 0, 0, 0] * 127.5 + 127.5).round().int().tolist())
    return shown


def test_each_kind_comes_in_its_own_order_once_an_epoch():
    table = hide_pairs(paired(6))
    table = Table(table.samples, sources=table.sources[:4], paired=False)
    samples, sources = numbers(table, steps=4)
    assert [sorted(samples[k : k + 6]) for k in (0, 6)] == [list(range(6))] * 2
    assert [sorted(sources[k : k + 4]) for k in (0, 4, 8)] == [list(range(4))] * 3


def test_pairs_that_are_hidden_stay_so():
    table = paired(200)
    shown, sources = numbers(table, steps=50, batch=8)
    assert shown == sources
    shown, sources = numbers(hide_pairs(table), steps=50, batch=8)
    same = sum(a == b for a, b in zip(shown, sources, strict=True))
    assert same < 10  # of 400, where chance gives 2
    assert shown == numbers(table, steps=50, batch=8)[0]
    assert sources != numbers(hide_pairs(table), steps=50, batch=8, seed=1)[1]


def test_terms_that_compare_with_a_target_are_refused():
    arguments = {"images": 6, "batch_size": 3, "model_args": {"base_channels": 4}, "progress": False}
    samples = torch.zeros(6, 3, 16, 16, dtype=torch.uint8)
    table = table_from_arrays(samples, sources=samples)
    Trainer("pix2pix", "non_saturating + l1", table, **arguments)
    with pytest.raises(ObjectiveError, match="l1 compares each sample with its target, and only"):
        Trainer("pix2pix", "non_saturating + l1", hide_pairs(table), **arguments)


def test_what_was_decided_is_said(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "ganzoo"):
        open_unpaired(write_files(tmp_path / "data", files()))
    assert sum("pictures, RGB, 6 high and 8 wide" in message for message in caplog.messages) == 2
