"""config.json: what a model is made of, so that loading needs nothing else; and checked settings of any kind.

Everything read here may come from a stranger: types are checked, keys are known, names are looked up in the registry by
others and nothing is imported.
"""

import json
import math
import re
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ganzoo.errors import ConfigError, did_you_mean

SCHEMA = 1
LARGEST_CONFIG = 2**20  # bytes
DEEPEST_CONFIG = 32  # objects and lists within each other
SAFE_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.safetensors", re.ASCII)
HEX_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

C = TypeVar("C")
DtypeName = Literal["float32", "float16", "bfloat16", "float64"]

# Takes a config of schema n to schema n + 1. Empty while there is one schema.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def build_config(
    config_class: type[C], arguments: Mapping[str, object], owner: str, *, positional: tuple[object, ...] = ()
) -> C:
    """Build a config dataclass from plain values, as they come from JSON, TOML, text or a caller.

    Args:
        config_class: A dataclass of numbers, strings, literals, tuples of them and unions of these.
        arguments: Values by field name; lists stand for tuples.
        owner: What the settings belong to, for messages.
        positional: Values for the first fields, in order.

    Raises:
        ConfigError: A key is unknown, missing or given twice, a value has the wrong type, or the class's own checks
            refuse it.
    """
    hints = get_type_hints(config_class)
    known = [item for item in fields(config_class) if item.init]  # type: ignore[arg-type]
    names = [item.name for item in known]
    if len(positional) > len(names):
        raise ConfigError(
            f"{owner}: {len(positional)} arguments were given; it takes at most {len(names)}: {', '.join(names)}"
        )
    values: dict[str, object] = dict(zip(names, positional, strict=False))
    for name, value in arguments.items():
        if name in values:
            raise ConfigError(f"{owner}: {name} is given twice")
        if name not in names:
            accepted = ", ".join(names) or "nothing"
            raise ConfigError(
                f"{owner}: there is no setting {name[:80]!r}{did_you_mean(name, names)}; it takes {accepted}"
            )
        values[name] = value
    required = [item.name for item in known if item.default is MISSING and item.default_factory is MISSING]
    for name in required:
        if name not in values:
            raise ConfigError(f"{owner}: the setting {name!r} is missing")
    return config_class(**{name: _checked(value, hints[name], f"{owner}: {name}") for name, value in values.items()})


def _checked(value: object, hint: Any, what: str) -> object:
    """Return the value as the type asks for it (a list as a tuple, an int as a float), or refuse it."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        fitted = _fitted(value, option)
        if fitted is not MISSING:
            return fitted
    expected = " or ".join(map(_describe, options))
    raise ConfigError(f"{what} is {str(value)[:100]!r} ({type(value).__name__}); it takes {expected}")


def _fitted(value: object, hint: Any) -> object:
    """Return the value fitted to one type, or MISSING."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value if any(value == choice and type(value) is type(choice) for choice in arguments) else MISSING
    if origin is tuple and isinstance(value, list | tuple):
        inner = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(inner) != len(value):
            return MISSING
        items = tuple(_fitted(item, kind) for item, kind in zip(value, inner, strict=True))
        return MISSING if any(item is MISSING for item in items) else items
    if origin in (dict, list):
        return value if isinstance(value, origin) else MISSING
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        # Also false for NaN, and for whole numbers that no float can hold.
        return float(value) if abs(value) <= sys.float_info.max else MISSING
    if hint is Any:
        return value
    return value if type(value) is hint else MISSING


def _describe(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    words = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false", type(None): "nothing"}
    if hint in words:
        return words[hint]
    if get_origin(hint) is tuple:
        return "a list of " + _describe(get_args(hint)[0]).removeprefix("a ") + "s"
    return {dict: "an object", list: "a list"}.get(get_origin(hint), str(hint))


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """One network: the architecture it is a part of, its arguments, and its weights file."""

    architecture: str
    args: dict[str, Any] = field(default_factory=dict)
    provider: dict[str, Any] | None = None  # distribution, version and requires; absent for built-ins
    file: str = ""  # empty while the network is not saved
    sha256: str = ""
    dtype: DtypeName = "float32"  # as stored

    def __post_init__(self) -> None:
        if self.file and not SAFE_FILE.fullmatch(self.file):
            raise ConfigError(f"config: file is {self.file[:100]!r}; it takes a plain name that ends in .safetensors")
        if self.file and not HEX_DIGEST.fullmatch(self.sha256):
            raise ConfigError(f"config: sha256 of {self.file} is {self.sha256[:80]!r}; it takes 64 hex digits")


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """What samples are: their shape, and the way back to the data's own units."""

    sample_shape: tuple[int, ...]
    scale: float = 1.0  # data = sample * scale + offset
    offset: float = 0.0
    data_dtype: Literal["uint8", "float32"] = "float32"
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.sample_shape) <= 8 or not all(1 <= size <= 2**20 for size in self.sample_shape):
            shape = str(self.sample_shape)[:100]
            raise ConfigError(f"config: sample_shape is {shape}; it takes 1 to 8 sizes from 1 to {2**20}")
        if self.scale == 0:
            raise ConfigError("config: scale is 0; it takes any other number")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The content of config.json, schema 1. Nothing in `training` is needed to load."""

    networks: dict[str, NetworkConfig]
    sampling: SamplingConfig
    training: dict[str, Any] = field(default_factory=dict)
    metrics: list[Any] = field(default_factory=list)
    license: dict[str, Any] = field(default_factory=dict)

    def to_json(self, version: str) -> str:
        """Return the text of config.json, stamped with the version of ganzoo that writes it.

        Raises:
            ConfigError: The training, metrics or license hold what JSON cannot, such as NaN.
        """
        networks = {name: _without_empty(asdict(network)) for name, network in self.networks.items()}
        content = {"ganzoo": {"schema": SCHEMA, "version": version}, **asdict(self), "networks": networks}
        try:
            return json.dumps(content, indent=2, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise ConfigError(f"config.json cannot be written: {error}; use plain, finite values") from error

    @classmethod
    def from_json(cls, text: str | bytes) -> "ModelConfig":
        """Read config.json.

        Raises:
            ConfigError: It is too large, not JSON, of a newer schema, or has unknown, missing or wrong values.
        """
        content = read_json_object(text, "config.json")
        header = content.pop("ganzoo", None)
        schema = header.get("schema") if isinstance(header, dict) else None
        if type(schema) is not int or schema < 1:
            raise ConfigError(
                "config.json has no ganzoo.schema, so it is no ganzoo model; load a folder that ganzoo saved"
            )
        if schema > SCHEMA:
            raise ConfigError(
                f"config.json has schema {schema}, newer than {SCHEMA}; upgrade: pip install -U torch-ganzoo"
            )
        for step in range(schema, SCHEMA):
            content = MIGRATIONS[step](content)
        networks = content.pop("networks", None)
        if not isinstance(networks, dict) or not 1 <= len(networks) <= 32:
            raise ConfigError("config.json has no networks; load a folder that ganzoo saved")
        sampling = content.pop("sampling", None)
        if not isinstance(sampling, dict):
            raise ConfigError("config.json has no sampling section; load a folder that ganzoo saved")
        parts = {name: _network(name, network) for name, network in networks.items()}
        if "generator" not in networks:
            raise ConfigError("config.json has no generator; load a folder that ganzoo saved")
        content |= {"networks": parts, "sampling": build_config(SamplingConfig, sampling, "config.json: sampling")}
        return build_config(cls, content, "config.json")


def _network(name: str, content: object) -> NetworkConfig:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) or not isinstance(content, dict):
        raise ConfigError(f"config.json: {name[:80]!r} is no network; it takes a short lower-case name and an object")
    return build_config(NetworkConfig, content, f"config.json: networks.{name}")


def _without_empty(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value not in (None, "")}


def read_json_object(text: str | bytes, what: str) -> dict[str, Any]:
    """Read a JSON object with no repeated keys, no NaN or infinity, and bounded size and depth.

    Raises:
        ConfigError: The text is anything else.
    """
    if len(text) > LARGEST_CONFIG:
        raise ConfigError(f"{what} has {len(text)} bytes; it takes at most {LARGEST_CONFIG}")
    try:
        content = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
        _check_plain(content)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ConfigError(
            f"{what} cannot be read: {str(error)[:200]}; it takes JSON as ganzoo writes it, so undo the change or get "
            "the file again"
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{what} holds {type(content).__name__}; it takes an object")
    return content


def _check_plain(value: object, depth: int = 0) -> None:
    """Refuse nesting that nothing needs and would later exhaust the stack, and text that no file can hold."""
    if depth > DEEPEST_CONFIG:
        raise ValueError(f"it is nested more than {DEEPEST_CONFIG} deep")
    if isinstance(value, str):
        value.encode()  # a lone surrogate raises UnicodeEncodeError
    elif isinstance(value, dict | list):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_plain(item, depth + 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is given twice")
    return content


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON knows")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number
