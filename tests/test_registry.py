from pathlib import Path

import pytest

from ganzoo.errors import PluginError, RegistrationError
from ganzoo.registry import KINDS, Entry, Provider, Published, Registry

PROVIDER = Provider("ganzoo-extras", "1.2", "extras")


class Made:
    class Inner:
        pass


def an_entry(factory, provider=PROVIDER):
    return Entry("loss", "softplus", factory, "a summary", "", provider)


def test_full_name_has_the_plugins_namespace_and_a_built_in_has_none():
    assert an_entry(Made).full_name == "extras/softplus"
    assert an_entry(Made, Provider("torch-ganzoo", "0.1.0")).full_name == "softplus"


def test_string_factories_are_imported_when_loaded():
    assert an_entry("pathlib:Path.home").load() == __import__("pathlib").Path.home
    assert an_entry(Made).load() is Made


@pytest.mark.parametrize("factory", ["no_such_module:Loss", "pathlib:NoSuchName", "pathlib:Path.no_such_name"])
def test_a_factory_that_cannot_be_imported_names_entry_and_provider(factory):
    with pytest.raises(PluginError, match=r"'extras/softplus' of ganzoo-extras 1\.2") as caught:
        an_entry(factory).load()
    assert factory in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("factory", "target", "expected"),
    [
        (Made, Made, True),
        (Made, Made.Inner, False),
        (f"{__name__}:Made", Made, True),
        (f"{__name__}:Made.Inner", Made.Inner, True),
        (f"{__name__}:Made", Made.Inner, False),
        ("ganzoo.plugins:PluginInfo", __import__("ganzoo.plugin_loader", fromlist=["x"]).PluginInfo, True),
        ("not_imported_anywhere:Made", Made, False),
        ("not_imported_anywhere:Made", None, False),
    ],
)
def test_is_made_by(factory, target, expected):
    assert an_entry(factory).is_made_by(target) is expected


def test_every_kind_has_a_method_that_registers_it():
    registry = Registry(PROVIDER)
    for kind in KINDS:
        if kind == "pretrained":
            registry.pretrained("it", "package:folder", summary="s", architecture="dcgan", data="MNIST")
        elif kind == "judge":
            registry.judge("it", Made, "package:judges/it.safetensors", summary="s", data="mnist")
        else:
            getattr(registry, kind)("it", Made, summary="s")
    assert [(entry.kind, entry.name, entry.provider) for entry in registry.entries] == [
        (kind, "it", PROVIDER) for kind in KINDS
    ]
    assert registry.get("pretrained", "it").info == {"architecture": "dcgan", "data": "MNIST"}
    assert registry.get("judge", "it").info == {"data": "mnist"}
    assert registry.get("judge", "it").weights == "package:judges/it.safetensors"


def test_hyphen_and_underscore_are_the_same_and_the_spelling_is_kept():
    registry = Registry(PROVIDER)
    registry.loss("soft-plus", Made, summary="s")
    assert registry.get("loss", "soft_plus").name == "soft-plus"
    assert registry.get("architecture", "soft-plus") is None
    with pytest.raises(RegistrationError, match="twice"):
        registry.loss("soft_plus", Made.Inner, summary="s")


@pytest.mark.parametrize("factory", [Made, "package.module:Made"])
def test_the_same_factory_twice_is_nothing(factory):
    registry = Registry(PROVIDER)
    registry.loss("softplus", factory, summary="first")
    registry.loss("softplus", factory, summary="second")
    assert [entry.summary for entry in registry.entries] == ["first"]


def test_another_factory_under_one_name_is_refused_and_changes_nothing():
    registry = Registry(PROVIDER)
    registry.loss("softplus", "a:First", summary="s")
    with pytest.raises(RegistrationError, match=r"'softplus' twice, with 'a:First' and with 'a:Second'"):
        registry.loss("softplus", "a:Second", summary="s")
    assert [entry.factory for entry in registry.entries] == ["a:First"]


@pytest.mark.parametrize("name", ["", "1st", "-x", "a b", "a/b", "café", "a.b", "name\n", None, 3])
def test_bad_names_are_refused(name):
    registry = Registry(PROVIDER)
    with pytest.raises(RegistrationError, match=r"ganzoo-extras 1\.2 registers a loss as"):
        registry.loss(name, Made, summary="s")
    assert registry.entries == []


@pytest.mark.parametrize("factory", ["module", "module:", ":name", "a b:c", "os; import x:y", 3, None])
def test_bad_factories_are_refused(factory):
    with pytest.raises(RegistrationError, match="give a class, a function or"):
        Registry(PROVIDER).loss("softplus", factory, summary="s")


@pytest.mark.parametrize("location", ["folder", "package:", 3])
def test_bad_locations_are_refused(location):
    with pytest.raises(RegistrationError, match="give 'package:folder'"):
        Registry(PROVIDER).pretrained("it", location, summary="s", architecture="a", data="d")


@pytest.mark.parametrize("weights", ["it.safetensors", "package:it.pt", "package:", Path("it.safetensors"), None])
def test_bad_weights_of_judges_are_refused(weights):
    with pytest.raises(RegistrationError, match=r"give 'package:path\.safetensors'"):
        Registry(PROVIDER).judge("it", Made, weights, summary="s")


def test_other_weights_under_one_name_are_refused_and_change_nothing():
    registry = Registry(PROVIDER)
    for _ in range(2):
        registry.judge("it", Made, "package:first.safetensors", summary="s")
    with pytest.raises(RegistrationError, match=r"'it' twice, with 'package:first.*' and with 'package:second.*'"):
        registry.judge("it", Made, "package:second.safetensors", summary="s")
    assert [entry.weights for entry in registry.entries] == ["package:first.safetensors"]


COMMIT, DIGESTS = "0" * 40, {"config.json": "a" * 64, "generator.safetensors": "b" * 64}


@pytest.mark.parametrize(
    ("repo_id", "revision", "digests"),
    [
        ("faces", COMMIT, DIGESTS),
        ("../faces/x", COMMIT, DIGESTS),
        (None, COMMIT, DIGESTS),
        ("someone/faces", "main", DIGESTS),
        ("someone/faces", COMMIT[1:], DIGESTS),
        ("someone/faces", COMMIT, {}),
        ("someone/faces", COMMIT, None),
        ("someone/faces", COMMIT, {"generator.safetensors": "b" * 64}),
        ("someone/faces", COMMIT, {"config.json": "b" * 63}),
        ("someone/faces", COMMIT, {"config.json": 3}),
    ],
)
def test_a_place_on_the_hub_is_checked(repo_id, revision, digests):
    with pytest.raises(RegistrationError, match="give ORG/NAME, a commit of 40 hex digits, and the SHA-256"):
        Published(repo_id, revision, digests)


def test_another_place_under_one_name_is_refused_and_changes_nothing():
    registry, about = Registry(PROVIDER), {"summary": "", "architecture": "mlp", "data": "none"}
    place = Published("someone/faces", COMMIT, DIGESTS)
    registry.pretrained("faces", published=place, **about)
    registry.pretrained("faces", published=Published("someone/faces", COMMIT, dict(DIGESTS)), **about)
    registry.pretrained("others", "package:others", **about)
    for name, arguments in (
        ("faces", {"published": Published("someone/faces", "1" * 40, DIGESTS)}),
        ("faces", {"location": "package:faces", "published": place}),
        ("others", {"location": "package:others", "published": place}),
    ):
        with pytest.raises(RegistrationError, match=f"{name!r} twice, with .* and with .*; give one of them another"):
            registry.pretrained(name, **arguments, **about)
    assert [entry.published for entry in registry.entries] == [place, None]


def test_a_pretrained_model_is_in_a_package_or_on_the_hub():
    registry, about = Registry(PROVIDER), {"summary": "", "architecture": "mlp", "data": "none"}
    place = Published("someone/faces", COMMIT, DIGESTS)
    registry.pretrained("faces", published=place, **about)
    registry.pretrained("others", "package:others", published=place, **about)
    assert registry.get("pretrained", "faces").published == place
    for arguments in ({}, {"location": "nowhere"}, {"location": None}, {"published": "someone/faces"}):
        with pytest.raises(RegistrationError, match="has the location"):
            registry.pretrained("lost", **arguments, **about)
