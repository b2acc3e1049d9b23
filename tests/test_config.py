import json
import random
from dataclasses import dataclass, field, replace
from typing import Literal

import mutations
import pytest

from ganzoo.config import (
    LARGEST_CONFIG,
    ModelConfig,
    NetworkConfig,
    SamplingConfig,
    build_config,
    read_json_object,
)
from ganzoo.errors import ConfigError, GanzooError

DIGEST = "0123456789abcdef" * 4
CONFIG = ModelConfig(
    networks={
        "generator": NetworkConfig(
            architecture="mlp", args={"latent_dim": 3}, file="generator.safetensors", sha256=DIGEST, dtype="float16"
        ),
        "discriminator": NetworkConfig(
            architecture="sound/wave",
            provider={"distribution": "ganzoo-sound", "version": "1", "requires": "ganzoo-sound"},
        ),
    },
    sampling=SamplingConfig(
        sample_shape=(1, 8, 8), scale=127.5, offset=127.5, data_dtype="uint8", class_names=("a", "ü")
    ),
    training={"recipe": "mlp-mnist", "images": 1000},
    metrics=[{"name": "kid", "value": 0.25}],
    license={"weights": "CC-BY-SA-3.0"},
)


def content(**changes):
    return json.loads(CONFIG.to_json("0.1.0")) | changes


def with_network(**changes):
    network = content()["networks"]["generator"] | changes
    return content(networks={"generator": {key: value for key, value in network.items() if value is not ...}})


def with_sampling(**changes):
    sampling = content()["sampling"] | changes
    return content(sampling={key: value for key, value in sampling.items() if value is not ...})


def test_round_trip():
    text = CONFIG.to_json("0.1.0")
    assert ModelConfig.from_json(text) == ModelConfig.from_json(text.encode()) == CONFIG
    assert ModelConfig.from_json(text).to_json("0.1.0") == text


def test_what_is_written():
    written = content()
    assert list(written) == ["ganzoo", "networks", "sampling", "training", "metrics", "license"]
    assert written["ganzoo"] == {"schema": 1, "version": "0.1.0"}
    assert written["networks"]["generator"] == {
        "architecture": "mlp",
        "args": {"latent_dim": 3},
        "file": "generator.safetensors",
        "sha256": DIGEST,
        "dtype": "float16",
    }
    assert written["networks"]["discriminator"]["provider"]["requires"] == "ganzoo-sound"
    assert written["sampling"]["sample_shape"] == [1, 8, 8]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_what_json_cannot_hold_is_not_written(value):
    with pytest.raises(ConfigError, match=r"config\.json cannot be written: .*; use plain, finite values"):
        replace(CONFIG, metrics=[{"value": value}]).to_json("0.1.0")


def test_only_networks_and_sampling_are_needed():
    least = {
        "ganzoo": {"schema": 1},
        "networks": {"generator": {"architecture": "mlp"}},
        "sampling": {"sample_shape": [2]},
    }
    config = ModelConfig.from_json(json.dumps(least))
    assert config.sampling == SamplingConfig(sample_shape=(2,))
    assert config.networks == {"generator": NetworkConfig(architecture="mlp")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "config.json cannot be read"),
        ("no json", "config.json cannot be read"),
        ("[]", "config.json holds list; it takes an object"),
        ("null", "config.json holds NoneType"),
        ('{"a": 1', "config.json cannot be read"),
        ('{"a": 1, "a": 1}', "a key is given twice"),
        ('{"b": {"a": 1, "a": 2}}', "a key is given twice"),
        ('{"a": NaN}', "NaN is not a number that JSON knows"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": 1e999}', "1e999 is out of range"),
        ('{"a": ' + "9" * 5000 + "}", "config.json cannot be read"),
        ('{"a": "\\ud800"}', "surrogates not allowed"),
        ('{"\\udfff": 1}', "surrogates not allowed"),
        ("[" * 100_000, "config.json cannot be read"),
        ('{"a": ' * 100_000, "config.json cannot be read"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "it is nested more than 32 deep"),
        ('{"a": ' * 40 + "1" + "}" * 40, "it is nested more than 32 deep"),
        ('{"a": "' + "x" * LARGEST_CONFIG + '"}', f"it takes at most {LARGEST_CONFIG}"),
        (b"\xff\xfe\x00", "config.json cannot be read"),
        (b"\x80", "config.json cannot be read"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_plain_json_object_is_refused(text, message):
    with pytest.raises(ConfigError) as refused:
        ModelConfig.from_json(text)
    assert message in str(refused.value)
    assert len(str(refused.value)) < 400


NO_MODEL = "config.json has no ganzoo.schema, so it is no ganzoo model"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, NO_MODEL),
        ({"diffusers": 1}, NO_MODEL),
        *((content(ganzoo=header), NO_MODEL) for header in (1, {}, {"schema": "1"}, {"schema": True}, {"schema": 0})),
        (content(ganzoo={"schema": 2}), "has schema 2, newer than 1; upgrade: pip install -U torch-ganzoo"),
        (content(networks={}), "config.json has no networks"),
        (content(networks=[]), "config.json has no networks"),
        (content(networks={"discriminator": {"architecture": "mlp"}}), "config.json has no generator"),
        (content(networks={f"n{i}": {} for i in range(33)}), "config.json has no networks"),
        (content(networks={"generator": 1}), "'generator' is no network"),
        (content(networks={"../g": {}}), "'../g' is no network; it takes a short lower-case name"),
        (content(networks={"generator\n": {}}), "is no network"),
        (content(networks={"x" * 65: {}}), "is no network"),
        (content(networks={"generator": {}}), "networks.generator: the setting 'architecture' is missing"),
        (content(sampling=None), "config.json has no sampling section"),
        (content(sampling={}), "config.json: sampling: the setting 'sample_shape' is missing"),
        (content(trainings={}), "config.json: there is no setting 'trainings'; did you mean 'training'"),
        (content(training=[]), "config.json: training is '[]' (list); it takes an object"),
        (content(metrics={}), "config.json: metrics is '{}' (dict); it takes a list"),
        (content(license="MIT"), "config.json: license is 'MIT' (str); it takes an object"),
        (with_network(_target_="os.system"), "networks.generator: there is no setting '_target_'"),
        (with_network(**{"x" * 500: 1}), "there is no setting 'xxx"),
        (with_network(architecture=3), "networks.generator: architecture is '3' (int); it takes text"),
        (with_network(args=[]), "networks.generator: args is '[]' (list); it takes an object"),
        (with_network(provider="ganzoo-sound"), "provider is 'ganzoo-sound' (str); it takes an object or nothing"),
        (with_network(dtype="int8"), "it takes 'float32' or 'float16' or 'bfloat16' or 'float64'"),
        *(
            (with_network(file=file), "it takes a plain name that ends in .safetensors")
            for file in (
                *("../generator.safetensors", "/etc/generator.safetensors", "a/b.safetensors", "a\\b.safetensors"),
                *(".safetensors", "..safetensors", "model.pt", "model.pkl", "g.safetensors\n", "g\0.safetensors"),
                *("C:g.safetensors", "ü.safetensors", "x" * 200 + ".safetensors", "g.safetensors.bin"),
            )
        ),
        *(
            (with_network(sha256=digest), "sha256 of generator.safetensors is")
            for digest in ("", "abc", DIGEST.upper(), DIGEST + "0", DIGEST[:-1] + "\n", "g" * 64)
        ),
        (with_network(sha256=...), "it takes 64 hex digits"),
        *(
            (with_sampling(sample_shape=shape), "sample_shape is")
            for shape in ([], [0], [-1], [2**20 + 1], [1] * 9, [1.0], ["1"], [True], 3, "12", None, [[1]], [10**400])
        ),
        (with_sampling(scale=0), "scale is 0; it takes any other number"),
        (with_sampling(scale=10**400), "it takes a finite number"),
        (with_sampling(scale="1"), "sampling: scale is '1' (str); it takes a finite number"),
        (with_sampling(scale=True), "sampling: scale is 'True' (bool); it takes a finite number"),
        (with_sampling(offset=None), "sampling: offset is 'None' (NoneType); it takes a finite number"),
        (with_sampling(data_dtype="object"), "it takes 'uint8' or 'float32'"),
        (with_sampling(class_names=[1]), "class_names is '[1]' (list); it takes a list of texts"),
        (with_sampling(module="os"), "sampling: there is no setting 'module'"),
    ],
    ids=lambda value: str(value)[-60:] if isinstance(value, dict) else str(value)[:50],
)
def test_a_wrong_config_is_refused(changed, message):
    with pytest.raises(ConfigError) as refused:
        ModelConfig.from_json(json.dumps(changed))
    assert message in str(refused.value)
    assert len(str(refused.value)) < 600


@dataclass(frozen=True, kw_only=True)
class Settings:
    needed: int
    ratio: float = 1.0
    size: int | tuple[int, int] = 3
    mode: Literal["a", "b", 1] = "a"
    flag: bool = False
    names: tuple[str, ...] = ()
    maybe: str | None = None
    derived: int = field(default=5, init=False)


@pytest.mark.parametrize(
    ("given", "built"),
    [
        ({"ratio": 2}, {"ratio": 2.0}),
        ({"size": [1, 2]}, {"size": (1, 2)}),
        ({"size": 7}, {"size": 7}),
        ({"mode": 1}, {"mode": 1}),
        ({"names": ["x", "y"]}, {"names": ("x", "y")}),
        ({"maybe": None, "flag": True}, {"maybe": None, "flag": True}),
    ],
    ids=str,
)
def test_plain_values_become_what_a_field_asks_for(given, built):
    assert build_config(Settings, {"needed": 1} | given, "it") == replace(Settings(needed=1), **built)
    assert type(build_config(Settings, {"needed": 1, "ratio": 2}, "it").ratio) is float


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "it: the setting 'needed' is missing"),
        ({"needed": 1, "derived": 1}, "it: there is no setting 'derived'"),
        (
            {"needed": 1, "ration": 1},
            "it: there is no setting 'ration'; did you mean 'ratio'?; it takes needed, ratio,",
        ),
        ({"needed": 1.0}, "it: needed is '1.0' (float); it takes a whole number"),
        ({"needed": True}, "it: needed is 'True' (bool)"),
        ({"needed": 1, "mode": True}, "it: mode is 'True' (bool); it takes 'a' or 'b' or 1"),
        ({"needed": 1, "mode": []}, "it: mode is '[]'"),
        ({"needed": 1, "size": [1, 2, 3]}, "it: size is '[1, 2, 3]' (list); it takes a whole number or a list of"),
        ({"needed": 1, "flag": 1}, "it: flag is '1' (int); it takes true or false"),
        ({"needed": 1, "maybe": 3}, "it takes text or nothing"),
        ({"needed": 1, "ratio": float("inf")}, "it takes a finite number"),
    ],
    ids=str,
)
def test_other_values_are_refused(given, message):
    with pytest.raises(ConfigError) as refused:
        build_config(Settings, given, "it")
    assert message in str(refused.value)


def test_positional_values_fill_the_first_fields():
    assert build_config(Settings, {"size": 2}, "it", positional=(4, 0.5)) == Settings(needed=4, ratio=0.5, size=2)
    with pytest.raises(ConfigError, match="it: needed is given twice"):
        build_config(Settings, {"needed": 2}, "it", positional=(4,))
    with pytest.raises(ConfigError, match="it: 8 arguments were given; it takes at most 7"):
        build_config(Settings, {}, "it", positional=(1,) * 8)


def test_json_objects_of_any_kind_are_read():
    assert read_json_object(b'{"a": [1.5, null, "\xc3\xbc"]}', "it") == {"a": [1.5, None, "ü"]}
    deep = '{"a": ' + "[" * 30 + "]" * 30 + "}"
    assert read_json_object(deep, "it") == json.loads(deep)


def test_a_mutated_config_is_read_or_refused_with_a_typed_error():
    rng, text = random.Random(2), CONFIG.to_json("0.1.0")
    refused = read = 0
    for trial in range(600):
        changed = mutations.of_bytes(text.encode(), rng) if trial % 2 else mutations.of_json(text, rng)
        try:
            config = ModelConfig.from_json(changed)
        except GanzooError as error:
            refused += 1
            str(error).encode()
        else:
            read += 1
            assert ModelConfig.from_json(config.to_json("0.1.0")) == config
    assert refused > 200
    assert read > 50
