"""A stranger's model: safetensors files and config.json changed at random, in the ways that such files go wrong."""

import json
import re
import struct

import mutations
import torch

LARGEST = 2**30  # bytes of a file that is mostly a hole
DTYPES = {
    **{"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "BOOL": torch.bool},
    **{"I8": torch.int8, "U8": torch.uint8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64},
}


def unpack(content):
    """Return the header and the data of a safetensors file."""
    end = 8 + int.from_bytes(content[:8], "little")
    return content[8:end], content[end:]


def pack(header, data):
    return struct.pack("<Q", len(header)) + header + data


def declared(content):
    """Return the tensors that a safetensors file declares, read without the library that ganzoo uses."""
    header, data = unpack(content)
    tensors = {}
    for name, entry in json.loads(header).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            raw = bytearray(data[first:last])
            tensors[name] = torch.frombuffer(raw, dtype=DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def _entry(header, rng):
    """Change dtype, shape or offsets of one tensor as a writer with a mistake would."""
    entries = json.loads(header)
    name, other = rng.choice(sorted(entries)), rng.choice(sorted(entries))
    entry, kind = entries[name], rng.randrange(6)
    if kind == 0:
        entry["dtype"] = rng.choice([*DTYPES, "F8_E4M3", "C64", "F4", "f32", ""])
    elif kind == 1:
        entry["shape"] = rng.choice([entry["shape"][::-1], [*entry["shape"], 1], [2**32] * 2, [2**62] * 3, [0], [-1]])
    elif kind == 2:
        entry["data_offsets"] = [place + rng.choice([-4, -1, 1, 2, 2**40, 2**63]) for place in entry["data_offsets"]]
    elif kind == 3:
        entry["data_offsets"], entries[other]["data_offsets"] = entries[other]["data_offsets"], entry["data_offsets"]
    elif kind == 4:
        entries[name], entries[other] = entries[other], entry
    else:
        entries["__metadata__"] = rng.choice([{"format": "pt"}, {"a": 1}, {"_target_": "os:system"}, [], "x" * 10**5])
    return json.dumps(entries).encode()


def _overwritten(content, rng, first, values=None):
    changed = bytearray(content)
    for _ in range(rng.randrange(1, 5)):
        place = rng.randrange(first, len(changed))
        changed[place] = rng.choice(values) if values else rng.choice([rng.randrange(256), changed[place] ^ 1])
    return bytes(changed)


def _many(header, rng):
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return json.dumps(
        {**{f"more{n}": empty for n in range(rng.choice([1, 30, 800, 1000, 5000, 100_000]))}, **json.loads(header)}
    ).encode()


def _twice(header):
    """Put the first entry of a header there once more, before itself and with another dtype."""
    first = header[1:].split(b"},", 1)[0].replace(b"F16", b"I16")
    return header[:1] + first + b"}," + header[1:]


def _nested(rng):
    return b'{"a":' * rng.randrange(1, 50_000)


WEIGHTS = {
    "bytes of the file": lambda c, h, d, rng: mutations.of_bytes(c, rng),
    "bytes of the header": lambda c, h, d, rng: pack(mutations.of_bytes(h, rng), d),
    "a value of the header": lambda c, h, d, rng: pack(mutations.of_json(h.decode(), rng).encode(), d),
    "an entry of the header": lambda c, h, d, rng: pack(_entry(h, rng), d),
    "single bytes": lambda c, h, d, rng: _overwritten(c, rng, 0),
    "single bytes of the header": lambda c, h, d, rng: pack(_overwritten(h, rng, 0), d),
    "single bytes of the data": lambda c, h, d, rng: c[: len(h) + 8] + _overwritten(d, rng, 0),
    "not finite": lambda c, h, d, rng: c[: len(h) + 8] + _overwritten(d, rng, 0, [0x7C, 0x7E, 0xFC, 0xFF]),
    "cut": lambda c, h, d, rng: c[: rng.randrange(len(c))],
    "longer": lambda c, h, d, rng: c + bytes(rng.choice([1, 8, 4096, 2**20, 2**22])),
    "length of the header": lambda c, h, d, rng: (
        struct.pack("<Q", rng.choice([0, 1, len(h) + 1, 2**40, 2**64 - 1])) + c[8:]
    ),
    "blanks in the header": lambda c, h, d, rng: pack(h + b" " * rng.randrange(9), d),
    "a name twice": lambda c, h, d, rng: pack(_twice(h), d),
    "many names": lambda c, h, d, rng: pack(_many(h, rng), d),
    "nested": lambda c, h, d, rng: pack(_nested(rng), d),
    "a hole": lambda c, h, d, rng: c,
}


def mutated_weights(content, rng):
    """Return what was changed, the content of the changed file, and its size, which may be larger."""
    how = rng.choice(sorted(WEIGHTS))
    header, data = unpack(content)
    changed = WEIGHTS[how](content, header, data, rng)
    return how, changed, rng.choice([2**24, LARGEST]) if how == "a hole" else len(changed)


EVIL = "evil_module"  # a module that is on the path, which a model names in vain
CODE = [f"{EVIL}:Model", f"{EVIL}.Model", EVIL, "os:system", "antigravity", "ganzoo.cli.hub:push", f"../{EVIL}"]
NAMES = [*CODE, f"{EVIL}/Model", "x" * 100_000, "dcgann", "", "ganzoo.models.dcgan:DCGAN", "timm", "dcgan", "mlp"]
FILES = [
    *("../generator.safetensors", "/etc/passwd", "C:\\x.safetensors", "\\\\host\\x.safetensors", "a/b.safetensors"),
    *("..", "", "generator.bin", "pytorch_model.bin", "x\0.safetensors", "x" * 300 + ".safetensors", "~/x.safetensors"),
    *("größe.safetensors", "discriminator.safetensors", "other.safetensors", "x.safetensors\n", "config.json"),
]
SETTINGS = [
    *(10**9, 2**20, 2**31, 2**63, 10**400, -1, 0, 1, 1.5, 1e308, True, None, "", "os:system", "x" * 100_000),
    *(
        [2**20] * 4,
        [10**9] * 2,
        [1] * 32,
        [1] * 1000,
        [1] * 100_000,
        [[1] * 3] * 3,
        [],
        {"__class__": CODE[0]},
        "\ud800",
    ),
    *("hf_hub:someone/evil", "hf-hub:someone/evil", "local-dir:/tmp", "../../../etc/passwd"),
]
KEYS = ["_target_", "__class__", "__reduce__", "auto_map", "__import__", "py/object", "__dict__", "!!python/object"]
NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "0x10", "01", "1_000", "1e-999"]


def _places(value):
    """Yield each object within a JSON value."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _places(item)


def _changed(change):
    """Make a change of the parsed config one of its text."""

    def of_text(text, rng):
        config = json.loads(text)
        change(config, rng, rng.choice(list(config["networks"].values())))
        return json.dumps(config).encode()

    return of_text


def _settings(config, rng, network):
    for _ in range(rng.randrange(1, 4)):
        network["args"][rng.choice(sorted(network["args"]))] = rng.choice(SETTINGS)


def _names(config, rng, network):
    network["architecture"] = rng.choice(NAMES)
    if rng.random() < 0.5:
        requires = rng.choice(["evil-module>=1", "evil-module; rm -rf /", "-r /etc/passwd", "", 3, "\ud800"])
        network["provider"] = {"distribution": "evil-module", "version": rng.choice(["1", "", 1]), "requires": requires}


def _keys(config, rng, network):
    place = rng.choice([network, network["args"], *_places(config)])
    place[rng.choice(KEYS)] = rng.choice([*CODE, {"__class__": CODE[0]}, [CODE[0]]])


def _files(config, rng, network):
    network["file"] = rng.choice(FILES)
    if rng.random() < 0.3:
        network["sha256"] = rng.choice(["", "0" * 64, "x" * 64, "A" * 64, 5, None])


def _sampling(config, rng, network):
    config["sampling"][rng.choice(["sample_shape", "scale", "offset", "class_names", "data_dtype"])] = rng.choice(
        SETTINGS
    )


def _networks(config, rng, network):
    kind, networks = rng.randrange(4), config["networks"]
    if kind == 0:
        networks.update({f"more{n}": network for n in range(rng.choice([1, 10, 31, 1000]))})
    elif kind == 1:
        networks[rng.choice(["evil", "__class__", "Generator", "a" * 70, "a.b", "../x"])] = networks.pop("generator")
    elif kind == 2:
        networks["generator"], networks["discriminator"] = networks["discriminator"], networks["generator"]
    else:
        config["networks"] = rng.choice([{}, [], None, {"generator": None}, {"discriminator": network}, "generator"])


def _values(text, rng):
    for _ in range(rng.randrange(1, 5)):
        text = mutations.of_json(text, rng) if text.startswith("{") else text
    return text.encode()


def _inserted(pattern, choose):
    """Put a chosen text before, or in place of, one match of a pattern."""

    def of_text(text, rng):
        found = rng.choice(list(re.finditer(pattern, text)))
        return (text[: found.start()] + choose(found[0], rng) + text[found.end() :]).encode(errors="surrogatepass")

    return of_text


def _nest(found, rng):
    depth = rng.choice([10, 31, 33, 900, 1100, 100_000])
    opening, closing = rng.choice([("[", "]"), ('{"a":', "}")])
    return opening * depth + found + closing * depth


def _encoded(text, rng):
    encoding = rng.choice(["utf-16", "utf-32", "utf-8-sig", "utf-16-le", "utf-8"])
    return (
        text.encode(encoding) if encoding != "utf-8" else text.encode() + rng.choice([b"\xff", b"\0", b"\xed\xa0\x80"])
    )


def _padded(text, rng):
    return text.encode() + rng.choice([b" ", b"\n", b"[", b"0"]) * rng.choice([10, 10**5, 2**20 - len(text), 2**21])


CONFIGS = {
    "settings": _changed(_settings),
    "names": _changed(_names),
    "keys": _changed(_keys),
    "files": _changed(_files),
    "sampling": _changed(_sampling),
    "networks": _changed(_networks),
    "values": _values,
    "bytes": lambda text, rng: mutations.of_bytes(text.encode(), rng),
    "numbers": _inserted(r"(?<=[ \[])-?\d[\d.]*", lambda found, rng: rng.choice(NUMBERS)),
    "a key twice": _inserted(r'"\w+": ', lambda found, rng: f"{found}null, {found}"),
    "nesting": _inserted(r'(?<=: )(-?\d[\d.]*|"\w*")', _nest),
    "surrogates": _inserted(
        r'(?<=")\w+', lambda found, rng: found + rng.choice(["\\ud800", "\\udfff", "\ud800", "\\u0000"])
    ),
    "encoding": _encoded,
    "size": _padded,
    "a hole": lambda text, rng: text.encode(),
}


def mutated_config(text, rng):
    """Return what was changed, the content of the changed file, and its size, which may be larger."""
    how = rng.choice(sorted(CONFIGS))
    changed = CONFIGS[how](text, rng)
    return how, changed, rng.choice([2**24, LARGEST]) if how == "a hole" else len(changed)
