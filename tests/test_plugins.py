import subprocess
import sys
from pathlib import Path

import pytest
from distributions import BROKEN, info_of

import ganzoo
from ganzoo import distributions, plugins
from ganzoo.errors import AmbiguousNameError, UnknownNameError
from ganzoo.plugins import GanzooPluginWarning

REGISTERS = """
    from ganzoo.hookspecs import hookimpl

    class Thing: ...

    @hookimpl
    def ganzoo_register(registry):
        registry.{kind}("{name}", Thing, summary="from " + __name__)
"""


def registers(name, kind="loss"):
    return REGISTERS.format(name=name, kind=kind)


def test_a_built_in_is_found_without_reading_any_plugin(site, monkeypatch):
    module = site.install("ganzoo-good")
    monkeypatch.setattr(distributions, "with_plugins", lambda: pytest.fail("entry points were read"))
    assert plugins.find("loss", "r1").full_name == "r1"
    assert module not in sys.modules


def test_a_plugins_name_is_found_short_and_in_full(site):
    site.install("ganzoo-good")
    short, full = plugins.find("loss", "good_loss"), plugins.find("loss", "ganzoo-good/good-loss")
    assert short is full
    assert short.full_name == "ganzoo_good/good-loss"
    assert short.load() is sys.modules["ganzoo_good"].Loss
    with pytest.raises(UnknownNameError):
        plugins.find("architecture", "good-loss")


def test_entries_are_filtered_by_pattern_and_provider_and_sorted(site):
    site.install("ganzoo-good")
    names = [entry.full_name for entry in plugins.entries("loss")]
    assert names == sorted(names)
    assert "ganzoo_good/good-loss" in names
    assert [e.full_name for e in plugins.entries("loss", "good_*")] == ["ganzoo_good/good-loss"]
    assert [e.full_name for e in plugins.entries("loss", "ganzoo-good/*")] == ["ganzoo_good/good-loss"]
    assert [e.full_name for e in plugins.entries("loss", provider="Ganzoo.Good")] == ["ganzoo_good/good-loss"]
    assert "ganzoo_good/good-loss" not in [e.full_name for e in plugins.entries("loss", provider="torch-ganzoo")]
    assert plugins.entries("loss", "zzz*") == []


def test_name_of_is_the_reverse_of_find(site):
    site.install("ganzoo-good")
    entry = plugins.find("loss", "good-loss")
    assert plugins.name_of("loss", entry.load()) == "ganzoo_good/good-loss"
    assert plugins.name_of("architecture", entry.load()) is None
    assert plugins.name_of("loss", type("Stranger", (), {})) is None


def test_name_of_a_built_in_is_its_short_name():
    assert plugins.name_of("dataset", plugins.find("dataset", "ring").load()) == "ring"


def test_an_unknown_name_says_what_is_near_how_to_list_and_which_plugin_failed(site):
    site.install("ganzoo-bad", BROKEN["raises"][0], version="2.3")
    with pytest.warns(GanzooPluginWarning), pytest.raises(UnknownNameError) as caught:
        plugins.find("loss", "non_saturatin")
    assert str(caught.value) == (
        "no loss is named 'non_saturatin'; did you mean 'non_saturating'? `ganzoo list --kind loss` lists them all. "
        "Not loaded: ganzoo-bad 2.3 (RuntimeError: boom while importing)."
    )


def test_one_name_of_two_plugins_is_ambiguous_short_and_reachable_in_full(site):
    site.install("ganzoo-one", registers("shared"), version="1.1")
    site.install("ganzoo-two", registers("shared"), version="2.2")
    with pytest.raises(AmbiguousNameError) as caught:
        plugins.find("loss", "shared")
    assert "'ganzoo_one/shared' (ganzoo-one 1.1) or 'ganzoo_two/shared' (ganzoo-two 2.2)" in str(caught.value)
    assert plugins.find("loss", "ganzoo_one/shared").provider.version == "1.1"
    assert plugins.find("loss", "ganzoo_two/shared").provider.version == "2.2"


def test_a_plugin_never_overrides_a_built_in(site):
    site.install("ganzoo-usurper", registers("r1"))
    assert plugins.find("loss", "r1").factory == "ganzoo.losses.r1:R1"
    assert plugins.find("loss", "ganzoo_usurper/r1").load() is sys.modules["ganzoo_usurper"].Thing
    assert plugins.find("loss", "r1").factory == "ganzoo.losses.r1:R1"


def test_one_object_under_two_namespaces_is_one_thing(site):
    site.install("ganzoo-twice", registers("thing"), points="first = ganzoo_twice\nsecond = ganzoo_twice")
    found = [info for info in plugins.list_plugins() if info.provider.distribution == "ganzoo-twice"]
    assert [(info.provider.namespace, info.status) for info in found] == [("first", "active"), ("second", "active")]
    assert plugins.find("loss", "thing").load() is sys.modules["ganzoo_twice"].Thing
    assert plugins.find("loss", "first/thing").load() is plugins.find("loss", "second/thing").load()


def test_two_distributions_with_one_namespace_both_fail_naming_both(site):
    site.install("ganzoo-one", registers("one"), points="same-space = ganzoo_one")
    site.install("ganzoo-two", registers("two"), points="same_space = ganzoo_two")
    with pytest.warns(GanzooPluginWarning), pytest.raises(UnknownNameError):
        plugins.find("loss", "one")
    for distribution in ("ganzoo-one", "ganzoo-two"):
        assert info_of(distribution).status == "failed"
        assert "ganzoo-one 1.0 and ganzoo-two 1.0 both claim the namespace" in info_of(distribution).reason
    assert "ganzoo_one" not in sys.modules


def test_disabling_one_of_two_with_one_namespace_frees_it_for_the_other(site, monkeypatch):
    site.install("ganzoo-one", registers("one"), points="space = ganzoo_one")
    site.install("ganzoo-two", registers("two"), points="space = ganzoo_two")
    monkeypatch.setenv("GANZOO_DISABLE_PLUGINS", "ganzoo-one")
    assert plugins.find("loss", "space/two").provider.distribution == "ganzoo-two"


def test_ganzoo_itself_is_listed_first_with_what_it_provides(site):
    site.install("aaa-first-by-name")
    own, *others = plugins.list_plugins()
    assert (own.provider.distribution, own.provider.namespace, own.status) == ("torch-ganzoo", None, "active")
    assert own.provider.version == ganzoo.__version__
    assert "dcgan" in own.registered["architecture"]
    assert others[0].provider.distribution == "aaa-first-by-name"
    assert others[0].registered == {"loss": ["good-loss"]}


def test_provider_dict_holds_what_missing_needs(site):
    site.install("ganzoo-good", version="2.1+local.3")
    entry = plugins.find("loss", "good-loss")
    kept = plugins.provider_dict(entry)
    assert kept == {"distribution": "ganzoo-good", "version": "2.1+local.3", "requires": "ganzoo-good>=2.1"}
    assert distributions.is_requirement(kept["requires"], kept["distribution"])
    assert plugins.provider_dict(plugins.find("loss", "r1")) is None


def test_listing_everything_imports_nothing_heavy():
    program = (
        "import sys; from ganzoo import plugins, registry, hookspecs, cli\n"
        "plugins.find('architecture', 'dcgan'); plugins.entries('loss'); plugins.list_plugins()\n"
        "print(sorted({'torch', 'torchvision', 'numpy', 'timm', 'huggingface_hub', 'PIL'} & set(sys.modules)))"
    )
    root = Path(ganzoo.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
