"""docs/plugins.md: its commands run one after the other, and its tables say what there is."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from distributions import SWITCHES, environment, link

import ganzoo
from ganzoo import hookspecs, testing
from ganzoo.registry import Registry

PAGE = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text(encoding="utf-8")
# How the page writes some parameters.
PLACES = {'"package:folder"': "location", '"package:path.safetensors"': "weights"}
BLOCK = re.compile(r"([^\n]*)\n\n```(sh|python)\n(.*?)```", re.DOTALL)


def steps():
    """Return what the page tells to do, in order: a command to run, or a file and what goes to its end."""
    for before, language, content in BLOCK.findall(PAGE):
        if language == "sh":
            yield from ((None, line) for line in content.splitlines())
        else:
            yield re.findall(r"`([\w/]+\.py)`:", before)[-1], content


def commands(folder):
    """Put the commands that the page uses into a folder, as ones of this very Python."""
    folder.mkdir()
    for name in ("ganzoo", "pytest"):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {name} "$@"\n')
        (folder / name).chmod(0o755)


def run(command, folder, variables):
    """Run a command that must succeed, and return what it said."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


@pytest.mark.slow
def test_the_tutorial_runs_command_by_command(tmp_path):
    commands(tmp_path / "bin")
    place, said = tmp_path, {}
    variables = environment(tmp_path / "installed", tmp_path / "ganzoo-waves")
    variables["PATH"] = os.pathsep.join([str(tmp_path / "bin"), variables["PATH"]])
    for path, content in steps():
        if path is not None:
            with (place / path).open("a") as file:
                file.write(content)
        elif content.startswith("cd "):
            place = place / content.removeprefix("cd ")
            assert place.is_dir()
        elif content.startswith("pip install -e "):
            link(place, tmp_path / "installed")  # there may be no network
        else:
            said[content] = run(["bash", "-c", content], place, variables)
    assert re.search(r"ganzoo-waves +0\.1\.0 +waves +active", said["ganzoo plugins"])
    assert "waves/cauchy" in said['ganzoo list "waves/*"']
    assert (place / "first.png").stat().st_size > 1000
    config = ganzoo.load(f"local-dir:{place}/runs/second/model").config
    assert config.training["objective"].startswith("waves/cauchy + ")
    assert len(said) == 8
    lines = re.findall(r"^    (ganzoo\.testing\..*)$", PAGE, re.MULTILINE)
    assert len(lines) == 3
    assert run([sys.executable, "-c", "\n".join(["import ganzoo", *lines])], place, variables) == ""


def test_the_tutorial_begins_with_nothing_but_ganzoo():
    first = [content for path, content in steps() if path is None][:4]
    assert first == ["ganzoo new-plugin waves", "cd ganzoo-waves", 'pip install -e ".[test]"', "pytest -q"]


def test_every_hook_and_method_and_switch_is_named():
    hooks = [name for name in vars(hookspecs) if name.startswith("ganzoo_")]
    assert hooks
    for name in hooks:
        (parameter,) = inspect.signature(getattr(hookspecs, name)).parameters
        assert f"| `{name}({parameter})` |" in PAGE
    for name, method in inspect.getmembers(Registry, inspect.isfunction):
        if name.startswith("_") or name == "get":
            continue
        if f"`registry.{name}(" in PAGE:
            (shown,) = re.findall(rf"`registry\.{name}\((.*?)\)`", PAGE)
            expected = [each for each in inspect.signature(method).parameters if each != "self"]
            written = [PLACES.get(each.strip(" ="), each.strip(" =")) for each in shown.split(",")]
            assert written == expected
        else:
            assert f"`.{name}`" in PAGE or f"`registry.{name}`" in PAGE
    for switch in SWITCHES:
        assert f"| `{switch}" in PAGE


def test_every_check_is_in_the_tables():
    for functions in (testing.OF_ARCHITECTURES, testing.OF_LOSSES, testing.OF_JUDGES):
        for function in functions:
            assert re.search(rf"^\| [\w ,]*\b{function.__name__.replace('_', ' ')}\b[\w ,]* \|", PAGE, re.MULTILINE)


def test_the_plugin_api_of_the_page_is_the_present_one():
    assert set(re.findall(r"GANZOO_PLUGIN_API = (\d+)", PAGE)) == {str(ganzoo.PLUGIN_API)}
