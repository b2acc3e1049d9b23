import itertools
import sys
import threading
import warnings

import click
import pytest
from distributions import BROKEN, GOOD, info_of

from ganzoo import plugins
from ganzoo.errors import PluginError, UnknownNameError
from ganzoo.plugins import GanzooPluginWarning


def load_with_warnings():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plugins.list_plugins()
    return [str(warning.message) for warning in caught if warning.category is GanzooPluginWarning]


def assert_built_ins_work():
    assert plugins.find("architecture", "dcgan").factory == "ganzoo.models.dcgan:DCGAN"
    assert plugins.find("loss", "non-saturating").name == "non_saturating"
    assert "mlp-mnist" in [entry.full_name for entry in plugins.entries("pretrained")]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_remembered_with_its_reason_and_warned_of_once(site, kind):
    source, reason = BROKEN[kind]
    site.install("ganzoo-broken", source, version="3.1")
    site.install("ganzoo-good")
    (warning,) = load_with_warnings()
    assert load_with_warnings() == []
    assert "ganzoo-broken 3.1" in warning
    assert reason in warning
    info = info_of("ganzoo-broken")
    assert (info.status, info.registered) == ("failed", {})
    assert reason in info.reason
    assert "\n" not in info.reason
    assert "Traceback" in info.traceback
    assert plugins.find("loss", "good-loss").provider.distribution == "ganzoo-good"
    assert_built_ins_work()


def test_what_a_failed_plugin_registered_before_failing_is_rolled_back(site):
    site.install("ganzoo-half", BROKEN["half"][0])
    with pytest.warns(GanzooPluginWarning), pytest.raises(UnknownNameError, match="halfway"):
        plugins.find("loss", "half-loss")


@pytest.mark.parametrize("order", list(itertools.permutations(["raises", "exits", "misspells", "good"])), ids="-".join)
def test_any_order_of_broken_plugins_leaves_the_rest_working(site, order):
    for letter, kind in zip("abcd", order, strict=True):
        site.install(f"ganzoo-{letter}", GOOD if kind == "good" else BROKEN[kind][0])
    assert len(load_with_warnings()) == 3
    assert plugins.find("loss", "good-loss").provider.distribution == f"ganzoo-{'abcd'[order.index('good')]}"
    assert_built_ins_work()


def test_loading_prints_to_stderr_only(site, capsys):
    site.install("ganzoo-chatty", "print('hello from a plugin')\n" + GOOD.replace("\n    ", "\n"))
    plugins.find("loss", "good-loss")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello from a plugin" in captured.err


@pytest.mark.parametrize(
    ("file", "content"),
    [("entry_points.txt", b"[other]\nno equals sign\n"), ("entry_points.txt", b"\xff\xfe[ganzoo]"), ("METADATA", b"")],
)
def test_a_malformed_metadata_file_of_a_stranger_spoils_nothing(site, file, content):
    site.install("ganzoo-good")
    site.install("stranger")
    (site.folder / "stranger-1.0.dist-info" / file).write_bytes(content)
    assert plugins.find("loss", "good-loss").provider.distribution == "ganzoo-good"


def test_a_malformed_metadata_file_of_a_plugin_is_its_failure(site):
    site.install("ganzoo-bad", "", points="this line has no equals sign")
    assert len(load_with_warnings()) == 1
    assert info_of("ganzoo-bad").status == "failed"


def test_a_plugin_may_look_names_up_while_it_is_loaded(site):
    site.install(
        "ganzoo-curious", "from ganzoo import plugins\nplugins.entries('loss')\n" + GOOD.replace("\n    ", "\n")
    )
    assert plugins.find("loss", "good-loss").provider.distribution == "ganzoo-curious"


def test_threads_that_ask_at_once_load_each_plugin_once(site):
    slow = "import time\ntime.sleep(0.05)\n" + GOOD.replace("\n    ", "\n")
    site.install("ganzoo-slow", slow)
    found = []
    threads = [threading.Thread(target=lambda: found.append(plugins.find("loss", "good-loss"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({id(entry) for entry in found}) == 1


@pytest.mark.parametrize(
    ("switch", "value", "reason"),
    [
        ("GANZOO_DISABLE_PLUGINS", "other, Ganzoo_Good", "in GANZOO_DISABLE_PLUGINS"),
        ("GANZOO_PLUGINS", "", "not in GANZOO_PLUGINS"),
        ("GANZOO_PLUGINS", "other", "not in GANZOO_PLUGINS"),
    ],
)
def test_a_disabled_plugin_is_listed_and_not_imported(site, monkeypatch, switch, value, reason):
    module = site.install("ganzoo-good")
    monkeypatch.setenv(switch, value)
    with pytest.raises(UnknownNameError):
        plugins.find("loss", "good-loss")
    info = info_of("ganzoo-good")
    assert (info.status, info.reason, info.registered) == ("disabled", reason, {})
    assert module not in sys.modules
    assert_built_ins_work()


def test_the_allow_list_loads_what_it_names(site, monkeypatch):
    site.install("ganzoo-good")
    monkeypatch.setenv("GANZOO_PLUGINS", "ganzoo_good")
    assert plugins.find("loss", "good-loss").provider.distribution == "ganzoo-good"


def test_strict_mode_raises_the_cause_and_asks_again(site, monkeypatch):
    site.install("ganzoo-bad", BROKEN["raises"][0])
    monkeypatch.setenv("GANZOO_STRICT_PLUGINS", "1")
    for _ in range(2):
        with pytest.raises(PluginError, match=r"ganzoo-bad 1\.0 failed: RuntimeError: boom") as caught:
            plugins.find("loss", "anything")
        assert isinstance(caught.value.__cause__, RuntimeError)
    assert plugins.find("loss", "r1").full_name == "r1"


def test_trace_mode_prints_hook_calls_on_stderr(site, monkeypatch, capsys):
    site.install("ganzoo-good")
    plugins.list_plugins()
    assert "ganzoo_register" not in capsys.readouterr().err
    monkeypatch.setenv("GANZOO_TRACE_PLUGINS", "1")
    plugins.reset()
    plugins.list_plugins()
    captured = capsys.readouterr()
    assert "ganzoo_register" in captured.err
    assert captured.out == ""


COMMAND = """
    import click
    from ganzoo.hookspecs import hookimpl

    @hookimpl
    def ganzoo_register_commands(cli):
        @cli.command()
        def {name}():
            click.echo("{name} ran")
        {then}
"""


def test_plugins_add_commands_each_on_its_own(site):
    site.install("ganzoo-a", COMMAND.format(name="montage", then="raise RuntimeError('no commands today')"))
    site.install("ganzoo-b", COMMAND.format(name="collage", then=""))
    site.install("ganzoo-c", COMMAND.format(name="train", then=""))
    cli = click.Group()
    with pytest.warns(GanzooPluginWarning) as caught:
        plugins.register_commands(cli, reserved=["train"])
    assert sorted(cli.commands) == ["collage"]
    assert [info_of(f"ganzoo-{letter}").status for letter in "abc"] == ["failed", "active", "failed"]
    assert len(caught) == 2
    assert "no commands today" in info_of("ganzoo-a").reason
    assert "'train' exists already" in info_of("ganzoo-c").reason
    assert info_of("ganzoo-b").registered == {"command": ["collage"]}
