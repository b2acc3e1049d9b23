import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from ganzoo.data.arrays import table_from_arrays
from ganzoo.data.table import Table, scale_and_offset, to_data
from ganzoo.errors import DataError, InputError
from ganzoo.models.condition import Condition

ALL_BYTES = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)


SOURCES = ALL_BYTES.flip(0).repeat(1, 3, 1, 1)[:, :, :4]
VECTORS = torch.arange(8.0).reshape(4, 2)


def labelled() -> Table:
    return Table(ALL_BYTES, torch.tensor([0, 1, 2, 1]), ("zero", "one", "two"))


def test_every_byte_survives_the_way_to_the_network_and_back():
    table = Table(ALL_BYTES)
    normalised = table.normalise(ALL_BYTES)
    assert (normalised.min(), normalised.max()) == (-1, 1)
    assert torch.equal(table.to_data(normalised), ALL_BYTES)


def test_to_data_rounds_half_to_even_and_clamps():
    halves = torch.tensor([0.5, 1.5, 2.5, -9.0, 300.0])
    assert to_data(halves, 1, 0, torch.uint8).tolist() == [0, 2, 2, 0, 255]


def test_to_data_of_floats_is_affine_and_never_clamps():
    assert to_data(torch.tensor([-2.0, 0, 1]), 7.5, 4, torch.float32).tolist() == [-11, 4, 11.5]


def test_to_data_takes_half_precision():
    assert torch.equal(to_data(torch.tensor([1.0]).half(), 127.5, 127.5, torch.uint8), torch.tensor([255]).byte())


def test_to_data_refuses_other_dtypes():
    with pytest.raises(InputError, match=r"torch\.int64.*use torch\.uint8"):
        to_data(torch.zeros(1), 1, 0, torch.int64)


def test_batch_gathers_normalises_and_conditions():
    table = labelled()
    batch = table.batch(torch.tensor([3, 0, 3]))
    assert batch.sample.dtype == torch.float32
    assert torch.equal(batch.sample, (ALL_BYTES[[3, 0, 3]].float() - 127.5) / 127.5)
    assert batch.condition is not None
    assert batch.condition.tolist() == [1, 0, 1]
    assert batch.target is None


def test_batch_of_pairs_has_the_source_as_condition_and_the_sample_as_target():
    table = Table(ALL_BYTES, sources=SOURCES)
    batch = table.batch(torch.tensor([3, 0, 3]), memory_format=torch.channels_last)
    assert torch.equal(batch.sample, (ALL_BYTES[[3, 0, 3]].float() - 127.5) / 127.5)
    assert torch.equal(batch.condition, (SOURCES[[3, 0, 3]].float() - 127.5) / 127.5)
    assert batch.target is batch.sample
    assert batch.condition.is_contiguous(memory_format=torch.channels_last)
    assert not table.batch(torch.tensor([0, 1])).condition.is_contiguous(memory_format=torch.channels_last)


def test_sources_share_the_samples_range():
    table = Table(torch.zeros(2, 1, 2, 2), scale=2, offset=2, sources=torch.full((2, 1, 2, 2), 4.0))
    batch = table.batch(torch.tensor([0]))
    assert (batch.sample.unique().item(), batch.condition.unique().item()) == (-1, 1)
    assert table.sources.unique().item() == 4


def test_batch_of_vectors_has_them_as_they_are():
    batch = Table(ALL_BYTES, vectors=VECTORS).batch(torch.tensor([2, 1]))
    assert torch.equal(batch.condition, VECTORS[[2, 1]])
    assert batch.target is None


def test_what_a_model_can_be_conditioned_on():
    assert Table(ALL_BYTES).condition == Condition()
    assert labelled().condition == Condition.label(3)
    assert Table(ALL_BYTES, vectors=VECTORS).condition == Condition.vector(2)
    assert Table(ALL_BYTES, sources=SOURCES).condition == Condition.image((3, 4, 8))


def test_batch_leaves_the_table_as_it_was():
    points = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    table = Table(points, scale=2, offset=2)
    table.batch(torch.tensor([0, 1]))
    table.normalise(table.samples)
    assert points.tolist() == [[0, 1], [2, 3]]


def test_batch_is_channels_last_when_asked():
    table = Table(torch.zeros(4, 3, 8, 8, dtype=torch.uint8))
    sample = table.batch(torch.tensor([0, 1]), memory_format=torch.channels_last).sample
    assert sample.is_contiguous(memory_format=torch.channels_last)
    assert not table.batch(torch.tensor([0, 1])).sample.is_contiguous(memory_format=torch.channels_last)


def test_channels_last_has_no_effect_on_points():
    table = Table(torch.zeros(4, 2), scale=1, offset=0)
    assert table.batch(torch.tensor([0, 1]), memory_format=torch.channels_last).sample.shape == (2, 2)


def test_properties():
    table = labelled()
    assert (len(table), table.sample_shape, table.num_classes) == (4, (1, 8, 8), 3)
    assert Table(ALL_BYTES).num_classes == 0


def test_scale_and_offset_take_the_range_to_one():
    scale, offset = scale_and_offset(-3.5, 11.5)
    assert ((-3.5 - offset) / scale, (11.5 - offset) / scale) == (-1, 1)


def test_fingerprint_is_of_the_content():
    table = labelled()
    same = Table(ALL_BYTES.clone(), torch.tensor([0, 1, 2, 1]), ("a", "b", "c"), name="other", source="elsewhere")
    assert table.fingerprint() == same.fingerprint()
    assert len(table.fingerprint()) == 64
    others = [
        dataclasses.replace(table, labels=torch.tensor([0, 1, 2, 2])),
        dataclasses.replace(table, labels=None, class_names=()),
        dataclasses.replace(table, scale=128.0),
        dataclasses.replace(table, samples=ALL_BYTES.flip(0)),
        dataclasses.replace(table, samples=ALL_BYTES.flatten(1)),
        dataclasses.replace(table, samples=ALL_BYTES.float()),
    ]
    assert len({table.fingerprint(), *(other.fingerprint() for other in others)}) == 7


def test_fingerprints_of_unpaired_tables_stay_what_they_were():
    def by_hand(*parts):
        digest = hashlib.sha256(b"(127.5, 127.5)")
        for head, content in parts:
            digest.update(head + content.numpy().tobytes())
        return digest.hexdigest()

    samples = (b"(torch.uint8, (4, 1, 8, 8))", ALL_BYTES)
    labels = (b"(torch.int64, (4,))", torch.tensor([0, 1, 2, 1]))
    assert Table(ALL_BYTES).fingerprint() == by_hand(samples)
    assert labelled().fingerprint() == by_hand(samples, labels)
    # The first as it was before tables had sources.
    assert by_hand(samples) == "28863c6ae8649bc6bec2cf4ba98b075613225d6883337fd449417011d684a882"


def test_fingerprint_is_of_vectors_and_sources_too():
    grey = ALL_BYTES.float()
    tables = [
        Table(grey),
        Table(grey, vectors=VECTORS),
        Table(grey, vectors=VECTORS + 1),
        Table(grey, sources=grey),
        Table(grey, sources=255 - grey),
        Table(255 - grey, sources=grey),
    ]
    assert len({table.fingerprint() for table in tables}) == len(tables)


def test_fingerprint_does_not_depend_on_the_memory_layout():
    table = Table(torch.arange(24, dtype=torch.uint8).reshape(1, 2, 3, 4))
    strided = Table(table.samples.contiguous(memory_format=torch.channels_last))
    assert table.fingerprint() == strided.fingerprint()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": torch.zeros(3, 2, dtype=torch.int64)}, r"torch\.int64.*convert"),
        ({"samples": torch.zeros(3, dtype=torch.uint8)}, r"shape \(3,\).*at least one sample"),
        ({"samples": torch.zeros(0, 1, 8, 8, dtype=torch.uint8)}, r"shape \(0, 1, 8, 8\)"),
        ({"samples": torch.zeros(3, 2), "scale": 0.0}, "scale is 0.0.*positive"),
        ({"samples": torch.zeros(3, 2), "scale": float("nan")}, "scale is nan"),
        ({"samples": torch.tensor([[2.0]]), "scale": 1.0, "offset": 0.0}, r"\[2, 2\].*stated range is \[-1, 1\]"),
        ({"samples": torch.tensor([[0.0], [float("nan")]]), "scale": 1.0, "offset": 0.0}, "nan.*not finite"),
        ({"samples": torch.tensor([[0.0], [float("inf")]]), "scale": 1.0, "offset": 0.0}, "inf.*not finite"),
        ({"class_names": ("a",)}, "1 class names but no labels"),
        ({"labels": torch.zeros(4), "class_names": ("a",)}, r"torch\.float32.*one int64 label"),
        ({"labels": torch.zeros(3, dtype=torch.int64), "class_names": ("a",)}, r"of shape \(3,\).*of shape \(4,\)"),
        ({"labels": torch.tensor([0, 1, 2, 3]), "class_names": ("a", "b")}, r"0\.\.3.*2 class names"),
        ({"labels": torch.tensor([0, -1, 0, 0]), "class_names": ("a", "b")}, r"-1\.\.0"),
        ({"vectors": VECTORS, "sources": SOURCES}, "vectors and sources were given.*only one"),
        ({"labels": torch.zeros(4).long(), "class_names": ("a",), "sources": SOURCES}, "labels and sources were given"),
        ({"labels": torch.zeros(4).long(), "class_names": ("a",), "vectors": VECTORS}, "labels and vectors were given"),
        ({"vectors": VECTORS.double()}, r"vectors are torch\.float64.*one float32 vector a sample, of shape \(4, K\)"),
        ({"vectors": VECTORS[:3]}, r"vectors are .* of shape \(3, 2\)"),
        ({"vectors": VECTORS[:, :0]}, r"of shape \(4, 0\)"),
        ({"vectors": VECTORS[:, 0]}, r"of shape \(4,\)"),
        ({"vectors": VECTORS / 0}, "vectors hold values that are not finite"),
        ({"sources": SOURCES.float()}, r"sources are torch\.float32.*torch\.uint8 like the samples"),
        ({"sources": SOURCES[:2]}, r"of shape \(2, 3, 4, 8\); give one picture a sample.*\(4, C, H, W\)"),
        ({"sources": SOURCES[:, 0]}, r"of shape \(4, 4, 8\)"),
        ({"sources": SOURCES[:, :0]}, r"of shape \(4, 0, 4, 8\)"),
        (
            {"samples": torch.zeros(1, 2), "scale": 1.0, "offset": 0.0, "sources": torch.full((1, 1, 2, 2), 2.0)},
            r"sources lie in \[2, 2\].*stated range is \[-1, 1\]",
        ),
    ],
)
def test_what_cannot_be_a_table_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        Table(**({"samples": ALL_BYTES} | arguments))


def test_rounding_at_the_end_of_the_range_is_no_error():
    low, high = torch.tensor(0.1), torch.tensor(0.7)
    scale, offset = scale_and_offset(0.1, 0.7)
    Table(torch.stack([low, high]).unsqueeze(1), scale=scale, offset=offset)


def test_a_copy_on_write_map_of_a_file_is_used_in_place(tmp_path):
    pictures = np.arange(5 * 3 * 8 * 8, dtype=np.uint64).astype(np.uint8).reshape(5, 3, 8, 8)
    np.save(tmp_path / "pictures.npy", pictures)
    mapped = np.load(tmp_path / "pictures.npy", mmap_mode="c")
    table = table_from_arrays(mapped)
    assert table.samples.data_ptr() == mapped.ctypes.data
    assert table.fingerprint() == table_from_arrays(pictures).fingerprint()
    batch = table.batch(torch.tensor([4, 0]))
    assert torch.equal(table.to_data(batch.sample), torch.from_numpy(pictures[[4, 0]]))
