"""Which plugins are taken by the version of the plugin API that they declare."""

import ast
import sys
from contextlib import suppress

import pytest
from distributions import GOOD, info_of

import ganzoo
from ganzoo import plugin_api, plugins
from ganzoo.errors import UnknownNameError
from ganzoo.plugins import GanzooPluginWarning


def declaring(declared):
    return f"GANZOO_PLUGIN_API = {declared}\n" + GOOD.replace("\n    ", "\n")


def reason(site, source, *, points=None):
    """Install a plugin, and return why it failed; empty if it did not."""
    site.install("ganzoo-good", source, points=points)
    with suppress(UnknownNameError):
        plugins.find("loss", "good-loss")
    info = info_of("ganzoo-good")
    assert (info.status == "failed") == bool(info.reason) == (info.registered == {})
    return info.reason


@pytest.fixture
def later(site, monkeypatch):
    """A later ganzoo, whose plugin API is 3, and which takes plugins for 2 too."""
    monkeypatch.setattr(plugin_api, "PLUGIN_API", 3)
    monkeypatch.setattr(plugin_api, "OLDEST_PLUGIN_API", 2)
    monkeypatch.setenv("GANZOO_PLUGINS", "ganzoo-good")


def test_the_version_is_public_and_a_whole_number():
    assert type(ganzoo.PLUGIN_API) is int
    assert 1 <= plugin_api.OLDEST_PLUGIN_API <= ganzoo.PLUGIN_API


def test_the_present_version_is_taken(site):
    assert reason(site, declaring(ganzoo.PLUGIN_API)) == ""


def test_a_plugin_that_declares_nothing_was_written_for_the_first_version(site):
    assert reason(site, GOOD) == ""


def test_a_newer_plugin_asks_for_a_newer_ganzoo(site):
    with pytest.warns(GanzooPluginWarning, match="upgrade ganzoo"):
        assert reason(site, declaring(2)) == (
            f"it was written for plugin API 2, and ganzoo {ganzoo.__version__} takes 1; upgrade ganzoo: "
            "pip install -U torch-ganzoo"
        )


def test_a_newer_plugin_is_not_said_to_have_misspelt_a_hook(site):
    source = declaring(2) + "\n@hookimpl\ndef ganzoo_register_transports(registry): ...\n"
    with pytest.warns(GanzooPluginWarning):
        assert "plugin API 2" in reason(site, source)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("source", [declaring(1), GOOD], ids=["declared", "nothing declared"])
def test_an_older_plugin_is_to_be_upgraded_itself(site, source):
    with pytest.warns(GanzooPluginWarning, match="upgrade the plugin"):
        assert reason(site, source) == (
            f"it was written for plugin API 1, and ganzoo {ganzoo.__version__} takes 2 to 3; upgrade the plugin: "
            "pip install -U ganzoo-good"
        )


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("declared", [2, 3])
def test_every_version_in_between_is_taken(site, declared):
    assert reason(site, declaring(declared)) == ""


@pytest.mark.parametrize("declared", ["'1'", "1.0", "True", "None", "0", "-1", "(1,)"])
def test_what_is_no_version_is_refused_with_what_it_takes(site, declared):
    with pytest.warns(GanzooPluginWarning):
        found = reason(site, declaring(declared))
    value = ast.literal_eval(declared)
    assert found == (
        f"GANZOO_PLUGIN_API is {str(value)!r} ({type(value).__name__}); it takes a whole number, such as 1"
    )


def test_an_object_that_is_no_module_declares_it_as_an_attribute(site):
    source = """
        from ganzoo.hookspecs import hookimpl

        class Plugin:
            GANZOO_PLUGIN_API = 2

            @hookimpl
            def ganzoo_register(self, registry): ...

        plugin = Plugin()
    """
    with pytest.warns(GanzooPluginWarning):
        assert "plugin API 2" in reason(site, source, points="good = ganzoo_good:plugin")
    assert "ganzoo_good" in sys.modules
