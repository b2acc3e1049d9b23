import json
import math
import random
import struct

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from ganzoo import files, weights
from ganzoo.errors import OutputError, WeightsError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def tensors():
    return {name: tensor.clone() for name, tensor in network().state_dict().items()}


def content_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize("dtype", [None, *FLOATS])
def test_tensors_come_back_bit_for_bit(tmp_path, dtype):
    given = tensors() | {"empty": torch.zeros(0, 3), "scalar": torch.tensor(2.5), "turned": torch.rand(3, 5).t()}
    digest = weights.save_tensors(tmp_path / "w.safetensors", given, dtype)
    assert digest == files.sha256(tmp_path / "w.safetensors")
    read = weights.read_tensors(tmp_path / "w.safetensors", digest)
    assert read.keys() == given.keys()
    for name, tensor in given.items():
        stored = tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor
        assert read[name].dtype == stored.dtype
        assert torch.equal(read[name], stored)


def test_what_the_dtype_cannot_hold_is_refused_and_nothing_written(tmp_path):
    given = {"fine": torch.ones(2), "large": torch.tensor([1.0, 1e5])}
    with pytest.raises(WeightsError, match=r"'large' holds values that are not finite in torch\.float16; nothing was"):
        weights.save_tensors(tmp_path / "w.safetensors", given, torch.float16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    with pytest.raises(WeightsError, match="'bad' holds values that are not finite"):
        weights.save_tensors(tmp_path / "w.safetensors", {"bad": torch.tensor([0, value])})


def test_a_place_that_cannot_be_is_an_output_error(tmp_path):
    (tmp_path / "plain").touch()
    with pytest.raises(OutputError, match="cannot write"):
        weights.save_tensors(tmp_path / "plain" / "w.safetensors", tensors())


def test_dtype_names():
    assert [weights.dtype_name(dtype) for dtype in FLOATS] == ["float16", "bfloat16", "float32", "float64"]
    with pytest.raises(WeightsError, match=r"cannot be stored as torch\.int8; it takes torch\.float16, torch"):
        weights.dtype_name(torch.int8)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot read the weights .*absent.*No such file"):
        weights.read_tensors(tmp_path / "absent.safetensors")
    with pytest.raises(WeightsError, match=r"cannot read the weights .*directory"):
        weights.read_tensors(tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b[:20] + b"x" + b[21:], lambda b: b""]
)
def test_damage_is_seen_by_the_digest(tmp_path, damage):
    path = tmp_path / "w.safetensors"
    digest = weights.save_tensors(path, tensors())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match=rf"damaged: .* expected {digest[:12]}\.\.\.; fetch or install them again"):
        weights.read_tensors(path, digest)


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"short",
            struct.pack("<Q", 2**63),
            struct.pack("<Q", 10) + b"{",
            b"PK\3\4" + bytes(100),
            b"\x80\x02}q\x00.",
        ),
        *(
            content_of(b"{"),
            content_of(b"[]"),
            content_of(b"\xff\xff"),
            content_of(b"{" * 100_000),
            content_of({"a": 1}),
        ),
        content_of({"a": F32}),
        content_of({"a": F32 | {"shape": [2]}}, bytes(4)),
        content_of({"a": F32 | {"dtype": "F33"}}, bytes(4)),
        content_of({"a": F32 | {"data_offsets": [4, 0]}}, bytes(4)),
        content_of({"a": F32 | {"data_offsets": [0, 2**63]}}, bytes(4)),
        content_of({"a": F32 | {"shape": [-1]}}, bytes(4)),
        content_of({"a": F32 | {"shape": [2**62, 2**62]}}, bytes(4)),
        content_of({"a": F32, "b": F32}, bytes(4)),
        content_of(b'{"a": ' + json.dumps(F32).encode() + b', "a": {"dtype": "F32", "shape": [], "data_offsets": 0}}'),
    ],
    ids=lambda content: repr(content[:40]),
)
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.read_tensors(path)


def test_a_header_of_more_than_the_network_has_is_refused_before_tensors_are_made(tmp_path):
    most = weights.largest_header(network())
    header = {f"more{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(2000)}
    (tmp_path / "w.safetensors").write_bytes(content_of(header))
    assert len(weights.read_tensors(tmp_path / "w.safetensors")) == 2000
    said = rf"their header should have {len(json.dumps(header))} bytes, and this network's takes at most {most}"
    with pytest.raises(WeightsError, match=said):
        weights.read_tensors(tmp_path / "w.safetensors", "", most)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_network_s_own_file_is_within_what_is_expected_of_it(tmp_path, dtype):
    module = nn.ModuleDict({'größe\n"\\\U0001f600' * 50: nn.Linear(2**10, 3), "x": nn.Conv3d(1, 1, (1, 1, 9))})
    weights.save_tensors(tmp_path / "w.safetensors", module.state_dict(), dtype)
    content = (tmp_path / "w.safetensors").read_bytes()
    assert int.from_bytes(content[:8], "little") <= weights.largest_header(module) - 2**16
    assert len(content) <= weights.largest_file(module) - 2**16
    assert weights.read_tensors(tmp_path / "w.safetensors", "", weights.largest_header(module))


def test_assign_gives_a_module_exactly_these_tensors():
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    given = tensors()
    weights.assign(module, given, "it")
    assert all(torch.equal(tensor, given[name]) for name, tensor in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert module(torch.ones(2, 3)).isfinite().all()


@pytest.mark.parametrize("stored", FLOATS)
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16])
def test_assign_converts_floats_alone(stored, wanted):
    given = {name: t.to(stored) if t.is_floating_point() else t for name, t in tensors().items()}
    module = network()
    weights.assign(module, given, "it", wanted)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, given[name].to(wanted) if name != "1.num_batches_tracked" else given[name])


FAULTS = {
    "missing '0.bias'": lambda given: given.pop("0.bias"),
    "unexpected 'other'": lambda given: given.update(other=torch.ones(1)),
    "'0.weight' has shape (4, 2) instead of (4, 3)": lambda given: given.update({"0.weight": torch.ones(4, 2)}),
    "'0.bias' has dtype torch.int64 instead of torch.float32": lambda given: given.update(
        {"0.bias": given["0.bias"].long()}
    ),
    "'0.bias' has dtype torch.complex64 instead of": lambda given: given.update({"0.bias": given["0.bias"].cfloat()}),
    "'0.bias' has dtype torch.float8_e4m3fn instead": lambda given: given.update(
        {"0.bias": given["0.bias"].to(torch.float8_e4m3fn)}
    ),
    "'1.num_batches_tracked' has dtype torch.float32": lambda given: given.update(
        {"1.num_batches_tracked": torch.tensor(1.0)}
    ),
    "'1.running_var' holds values that are not finite": lambda given: given["1.running_var"].fill_(math.nan),
    "'0.weight' holds values that are not finite": lambda given: given["0.weight"][0].fill_(math.inf),
}


@pytest.mark.parametrize("load_into", [weights.assign, weights.copy_into])
@pytest.mark.parametrize(("message", "change"), FAULTS.items(), ids=FAULTS.keys())
def test_what_does_not_fit_is_refused_and_changes_nothing(load_into, message, change):
    module, given = network(), tensors()
    with torch.no_grad():
        module[0].weight.zero_()
    change(given)
    with pytest.raises(WeightsError) as refused:
        load_into(module, given, "the model (generator)")
    assert "the weights of the model (generator) do not fit its architecture: " in str(refused.value)
    assert message in str(refused.value)
    assert not module[0].weight.any()


def test_values_that_the_wanted_dtype_cannot_hold_are_refused():
    given = tensors()
    given["0.weight"] = torch.full((4, 3), 1e300, dtype=torch.float64)
    with pytest.raises(WeightsError, match=r"'0\.weight' holds values that are not finite"):
        weights.assign(network(), given, "it")
    given["0.weight"] = torch.full((4, 3), 1e5)
    with pytest.raises(WeightsError, match=r"'0\.weight' holds values that are not finite"):
        weights.assign(network(), given, "it", torch.float16)


def test_ten_problems_are_named_and_the_rest_counted():
    with pytest.raises(WeightsError, match=r"missing '0\.weight'.*unexpected 'x2', and 15 more$"):
        weights.assign(network(), {f"x{i}": torch.ones(1) for i in range(18)}, "it")


def test_copy_into_keeps_dtype_and_place():
    module = network().double()
    before = module[0].weight
    weights.copy_into(module, tensors(), "it")
    assert module[0].weight is before
    assert before.dtype == torch.float64
    assert torch.equal(before.float(), tensors()["0.weight"])


def mutate(content, rng):
    content = bytearray(content)
    header = 8 + struct.unpack("<Q", content[:8])[0]
    kind = rng.choice(["flip", "header", "length", "cut", "grow", "dtype", "number", "swap"])
    if kind == "flip":
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "header":
        content[rng.randrange(8, header)] = rng.randrange(256)
    elif kind == "length":
        content[rng.randrange(8)] = rng.randrange(256)
    elif kind == "cut":
        del content[rng.randrange(len(content)) :]
    elif kind == "grow":
        content += rng.randbytes(rng.randrange(1, 50))
    elif kind == "dtype":
        dtypes = [
            b"F16",
            b"I32",
            b"U32",
            b"C64",
            b"F64",
            b"I64",
            b"F8_E4M3",
            b"F8_E8M0",
            b"F4",
            b"BOOL",
            b"U16",
            b"nan",
        ]
        content = remade(content, header, b"F32", rng.choice(dtypes))
    elif kind == "number":
        numbers = [b"0", b"-1", b"1e3", b"9223372036854775807", b"18446744073709551616", b"null", b"[]", b'"3"']
        content = remade(content, header, rng.choice([b"3", b"4", b"12", b"16"]), rng.choice(numbers))
    else:
        cut = rng.randrange(header, len(content))
        content[header:] = content[cut:] + content[header:cut]
    return bytes(content)


def remade(content, header, old, new):
    """Replace something in the header and mend its length, so that the rest of the file keeps its place."""
    text = bytes(content[8:header]).replace(old, new, 1).rstrip()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(content[header:])


def test_a_mutated_file_is_refused_or_read_as_it_says(tmp_path):
    rng, content, path = random.Random(1), save(tensors()), tmp_path / "w.safetensors"
    outcomes = {"refused": 0, "did not fit": 0, "read": 0}
    for _ in range(400):
        mutated = mutate(content, rng)
        path.write_bytes(mutated)
        try:
            read = weights.read_tensors(path)
        except WeightsError:
            outcomes["refused"] += 1
            continue
        module = network()
        try:
            weights.assign(module, read, "it")
        except WeightsError:
            outcomes["did not fit"] += 1
            continue
        outcomes["read"] += 1
        said = load(mutated)
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, said[name].to(tensor.dtype))
    assert min(outcomes.values()) > 10, outcomes


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_tied_weights_are_saved_under_each_name_and_stay_tied(tmp_path, dtype):
    saved = Tied()
    weights.save_tensors(tmp_path / "w.safetensors", saved.state_dict(), dtype)
    with torch.device("meta"):
        loaded = Tied()
    weights.assign(loaded, weights.read_tensors(tmp_path / "w.safetensors"), "it")
    assert loaded.second.weight is loaded.first.weight
    assert loaded.second.bias is not loaded.first.bias
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.to(dtype or tensor.dtype).float())


def test_views_of_one_tensor_are_saved(tmp_path):
    whole = torch.arange(6.0)
    weights.save_tensors(tmp_path / "w.safetensors", {"whole": whole, "low": whole[:4], "high": whole[2:]})
    read = weights.read_tensors(tmp_path / "w.safetensors")
    assert [read[name].tolist() for name in ("whole", "low", "high")] == [
        [0, 1, 2, 3, 4, 5],
        [0, 1, 2, 3],
        [2, 3, 4, 5],
    ]
