import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from distributions import BROKEN

import ganzoo
from ganzoo import cli as program
from ganzoo import plugins
from ganzoo.cli import cli

pytestmark = pytest.mark.filterwarnings("ignore::ganzoo.plugins.GanzooPluginWarning")

COMMAND = """
    import click
    from ganzoo.errors import DivergenceError
    from ganzoo.hookspecs import hookimpl

    @hookimpl
    def ganzoo_register_commands(cli):
        @cli.command(short_help="Draw a montage.")
        @click.argument("what")
        def montage(what):
            if what == "diverges":
                raise DivergenceError("the loss is not finite")
            if what == "interrupted":
                raise KeyboardInterrupt
            print("a montage of " + what)
"""


def invoke(*arguments):
    return CliRunner().invoke(cli, arguments)


def start(site, *arguments):
    root = Path(ganzoo.__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site.folder), str(root)])}
    environment.pop("PYTHONUNBUFFERED", None)
    return subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


# list


def test_list_shows_a_table_per_kind_with_name_summary_and_provider(site):
    site.install("ganzoo-good", version="4.2")
    shown = invoke("list")
    assert shown.exit_code == 0
    titles = [line for line in shown.stdout.splitlines() if line and not line.startswith(" ")]
    assert titles[:4] == ["Architectures", "Losses", "Pretrained models", "Data sets"]
    (line,) = [line for line in shown.stdout.splitlines() if "good-loss" in line]
    assert line.split("  ")[1] == "ganzoo_good/good-loss"
    assert "a loss that works" in line
    assert line.endswith("ganzoo-good 4.2")


def test_list_aligns_its_columns(site):
    site.install("ganzoo-good")
    lines = invoke("list", "--kind", "loss").stdout.splitlines()[1:]
    entries = json.loads(invoke("list", "--kind", "loss", "--json").stdout)
    summary, provider = (lines[0].index(title) for title in ("summary", "provider"))
    assert len(lines) == len(entries) + 1 > 3
    for line, entry in zip(lines[1:], entries, strict=True):
        assert line[:summary].strip() == entry["full_name"]
        assert line[summary:provider].strip() == entry["summary"]
        assert line[provider:] == f"{entry['distribution']} {entry['version']}"
        assert line[summary - 2 : summary] == line[provider - 2 : provider] == "  "


def test_list_shows_a_pretrained_models_architecture_and_data(site):
    header, *rows = invoke("list", "mlp-mnist").stdout.splitlines()[1:]
    assert header.split() == ["name", "summary", "architecture", "data", "provider"]
    assert [row.split()[0] for row in rows] == ["mlp-mnist"]
    assert " mlp " in rows[0]
    assert " MNIST " in rows[0]


@pytest.mark.parametrize("pattern", ["good*", "ganzoo_good/*", "*/good-loss", "good_loss"])
def test_list_takes_a_pattern_for_short_and_full_names(site, pattern):
    site.install("ganzoo-good")
    found = json.loads(invoke("list", pattern, "--json").stdout)
    assert [entry["full_name"] for entry in found] == ["ganzoo_good/good-loss"]


def test_list_as_json_has_the_documented_keys(site):
    site.install("ganzoo-good")
    found = {entry["full_name"]: entry for entry in json.loads(invoke("list", "--json").stdout)}
    assert found["ganzoo_good/good-loss"] == {
        "kind": "loss",
        "name": "good-loss",
        "full_name": "ganzoo_good/good-loss",
        "summary": "a loss that works",
        "paper": "",
        "distribution": "ganzoo-good",
        "version": "1.0",
        "namespace": "ganzoo_good",
        "info": {},
    }
    assert found["dcgan"]["namespace"] is None
    assert found["mlp-mnist"]["info"] == {"architecture": "mlp", "data": "MNIST"}


def test_list_one_kind(site):
    kinds = {entry["kind"] for entry in json.loads(invoke("list", "--kind", "loss", "--json").stdout)}
    assert kinds == {"loss"}


@pytest.mark.parametrize("arguments", [["list", "dcgam"], ["list", "dcgam", "--json"]])
def test_list_says_that_nothing_matches_and_what_is_near(site, arguments):
    shown = invoke(*arguments)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert shown.stderr.startswith("Error: nothing matches 'dcgam'; did you mean 'dcgan'")
    assert shown.stderr.endswith("? `ganzoo list` lists them all.\n")


# plugins


def test_plugins_shows_status_reason_and_what_each_registers(site, monkeypatch):
    site.install("ganzoo-good", version="1.5")
    site.install("ganzoo-bad", BROKEN["raises"][0])
    site.install("ganzoo-off")
    site.install("ganzoo-draws", COMMAND)
    monkeypatch.setenv("GANZOO_DISABLE_PLUGINS", "ganzoo-off")
    shown = invoke("plugins")
    assert shown.exit_code == 0
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert lines[0] == "plugin version namespace status"
    assert lines[1] == f"torch-ganzoo {ganzoo.__version__} active"
    bad = lines.index("ganzoo-bad 1.0 ganzoo_bad failed")
    assert lines[bad + 1] == "RuntimeError: boom while importing"
    good = lines.index("ganzoo-good 1.5 ganzoo_good active")
    assert lines[good + 1] == "loss: good-loss"
    off = lines.index("ganzoo-off 1.0 ganzoo_off disabled")
    assert lines[off + 1] == "in GANZOO_DISABLE_PLUGINS"
    draws = lines.index("ganzoo-draws 1.0 ganzoo_draws active")
    assert lines[draws + 1] == "command: montage"


def test_plugins_as_json_has_the_documented_keys(site):
    site.install("ganzoo-good")
    site.install("ganzoo-bad", BROKEN["exits"][0])
    own, *others = json.loads(invoke("plugins", "--json").stdout)  # others may be installed beside the test's
    bad, good = (one for one in others if one["distribution"] in ("ganzoo-bad", "ganzoo-good"))
    assert (own["distribution"], own["namespace"], own["status"]) == ("torch-ganzoo", None, "active")
    assert bad == {
        "distribution": "ganzoo-bad",
        "version": "1.0",
        "namespace": "ganzoo_bad",
        "status": "failed",
        "reason": "SystemExit: 3",
        "registered": {},
    }
    assert good["registered"] == {"loss": ["good-loss"]}


# The program around them


def test_the_built_in_commands_do_not_load_plugins(site):
    module = site.install("ganzoo-good")
    assert invoke("list", "--help").exit_code == 0
    assert module not in sys.modules


def test_a_plugins_command_runs_and_is_listed(site, monkeypatch):
    site.install("ganzoo-draws", COMMAND)
    monkeypatch.setattr(program, "COMMANDS", {"list": "ganzoo.cli.listing:list_entries"})
    assert invoke("montage", "digits").stdout == "a montage of digits\n"
    assert "montage  Draw a montage." in invoke("--help").stdout


def test_the_program_may_run_again_in_one_process(site):
    site.install("ganzoo-draws", COMMAND)
    assert [invoke("montage", "digits").stdout for _ in range(2)] == ["a montage of digits\n"] * 2
    assert json.loads(invoke("plugins", "--json").stdout)[1]["status"] == "active"
    (site.folder / "ganzoo_draws-1.0.dist-info" / "entry_points.txt").unlink()
    plugins.reset()
    assert invoke("montage", "digits").exit_code == 2


def test_an_unknown_command_names_the_near_ones(site):
    site.install("ganzoo-draws", COMMAND)
    shown = invoke("montag", "x")
    assert shown.exit_code == 2
    assert "no command 'montag'; did you mean 'montage'? `ganzoo --help` lists them all." in shown.stderr


def test_an_error_is_one_line_and_its_exit_code_and_debug_adds_the_traceback(site):
    site.install("ganzoo-draws", COMMAND)
    shown = invoke("montage", "diverges")
    assert (shown.exit_code, shown.stderr) == (3, "Error: the loss is not finite\n")
    shown = invoke("--debug", "montage", "diverges")
    assert shown.exit_code == 3
    assert shown.stderr.startswith("Traceback")
    assert shown.stderr.endswith("Error: the loss is not finite\n")


def test_an_interrupt_exits_with_130(site):
    site.install("ganzoo-draws", COMMAND)
    assert invoke("montage", "interrupted").exit_code == 130


def test_strict_plugins_fail_the_help_with_one_line(site, monkeypatch):
    site.install("ganzoo-bad", BROKEN["raises"][0])
    monkeypatch.setenv("GANZOO_STRICT_PLUGINS", "1")
    shown = invoke("--help")
    assert shown.exit_code == 2
    assert shown.stderr == "Error: the plugin ganzoo-bad 1.0 failed: RuntimeError: boom while importing\n"


def test_a_broken_plugin_is_one_line_on_stderr_and_changes_no_exit_code(site):
    site.install("ganzoo-bad", "print('noise')\n" + BROKEN["exits"][0])
    process = start(site, "-m", "ganzoo", "list", "dcgan", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [entry["name"] for entry in json.loads(out)] == ["dcgan"]
    noise, warning = err.splitlines()
    assert noise == "noise"
    assert warning.startswith("Warning: the plugin ganzoo-bad 1.0 failed and is left out: SystemExit: 3")


@pytest.mark.parametrize("arguments", [["list", "--json"], ["montage", "digits"]])
def test_a_reader_that_goes_away_is_no_error_message(site, arguments):
    site.install("ganzoo-draws", COMMAND)
    process = start(site, "-m", "ganzoo", *arguments)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=60)
    assert process.returncode == 1


def test_no_command_line_listing_imports_anything_heavy(site):
    code = (
        "import sys; from click.testing import CliRunner; from ganzoo.cli import cli\n"
        "for arguments in ['list'], ['list', '--json'], ['plugins'], ['--help']:\n"
        "    shown = CliRunner().invoke(cli, arguments)\n"
        "    heavy = sorted({'torch', 'torchvision', 'numpy', 'timm', 'huggingface_hub'} & set(sys.modules))\n"
        "    print(*arguments, shown.exit_code, heavy)\n"
    )
    out, err = start(site, "-c", code).communicate(timeout=60)
    assert out.splitlines() == ["list 0 []", "list --json 0 []", "plugins 0 []", "--help 0 []"], err
