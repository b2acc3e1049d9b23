import json

import pytest

from ganzoo.files import cache_folder
from ganzoo.metrics.cache import cached

KEY = {"of": "floor", "samples": 3, "args": {"b": 1, "a": [2]}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def never():
    raise AssertionError("computed again")


def test_numbers_are_computed_once_whatever_the_order_of_keys(folder):
    numbers = {"frechet": 0.1 + 0.2, "kid": -1e-5}
    assert cached(KEY, lambda: numbers) == numbers
    assert cached(dict(reversed(KEY.items())), never) == numbers
    assert cached(KEY | {"samples": 4}, lambda: {"frechet": 7}) == {"frechet": 7}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-9],
        lambda text: "[1, 2]",
        lambda text: text.replace("0.5", "NaN"),
        lambda text: text.replace("0.5", '"much"'),
        lambda text: text.replace("floor", "ceiling"),
        lambda text: json.dumps({"key": json.loads(text)["key"]}),
        lambda text: "\x00" * 50,
    ],
)
def test_a_damaged_file_is_computed_again_and_replaced(folder, damage):
    cached(KEY, lambda: {"frechet": 0.5})
    (path,) = (folder / "metrics").iterdir()
    path.write_text(damage(path.read_text()))
    assert cached(KEY, lambda: {"frechet": 0.25}) == {"frechet": 0.25}
    assert cached(KEY, never) == {"frechet": 0.25}


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    for place in (str(tmp_path / "file"), "~nobody-of-this-name/cache"):
        monkeypatch.setenv("GANZOO_CACHE", place)
        assert cached(KEY, lambda: {"frechet": 0.5}) == {"frechet": 0.5}


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("GANZOO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "ganzoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "ganzoo"
