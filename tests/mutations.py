"""Changes files at random, for tests of what reads them."""

import json
import random
from typing import Any

VALUES = [
    *(None, True, 0, -1, 1e300, 10**400, "", "x" * 300, "../../etc", "\ud800", "\0", "<script>", "__class__", [], {}),
    *([[]] * 3, {"a": {"b": []}}, [0] * 50, 2**63, 0.5, "generator.safetensors", "dcgan", "0123456789abcdef" * 4),
]


def mutate(value: Any, rng: random.Random) -> Any:
    """Return a copy of a JSON value with one thing in it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        changed, key = dict(value), rng.choice(sorted(value))
        kind = rng.randrange(8)
        if kind == 0:
            del changed[key]
        elif kind == 1:
            changed[rng.choice(["_target_", "", "\ud800", key + "x", "é", "a" * 300])] = changed.pop(key)
        else:
            changed[key] = mutate(value[key], rng)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.7:
        index = rng.randrange(len(value))
        return [*value[:index], mutate(value[index], rng), *value[index + 1 :]]
    return rng.choice(VALUES)


def of_json(text: str, rng: random.Random) -> str:
    """Return a JSON text with one value or key in it changed."""
    return json.dumps(mutate(json.loads(text), rng))


def of_bytes(text: bytes, rng: random.Random) -> bytes:
    """Return a copy of a text with a few bytes in it changed, cut out, put in or doubled."""
    changed = bytearray(text)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(changed))
        kind = rng.randrange(4)
        if kind == 0:
            changed[place] = rng.randrange(256)
        elif kind == 1:
            del changed[place : place + rng.randrange(1, 20)]
        elif kind == 2:
            changed[place:place] = rng.choice([b"[", b"{", b'"', b"e999", b"\xff", b"\\ud800", b"NaN", b",", b"0"])
        else:
            changed[place:place] = changed[place : place + rng.randrange(1, 60)]
    return bytes(changed)
