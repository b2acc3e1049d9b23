"""What the documents say is what the program does."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import ganzoo
from ganzoo.cli import cli
from ganzoo.training.recipes import read_recipe, recipe_names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^ganzoo .*$", README, re.MULTILINE)


def test_the_two_commands_come_first():
    first, second = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert re.fullmatch(r"pip install \. && ganzoo sample [\w-]+ --out digits\.png", first)
    assert second == 'pip install -e ".[test]" && pytest'


@pytest.mark.parametrize("code", PYTHON, ids=[code.split("\n")[2][:30] for code in PYTHON])
def test_the_python_examples_run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(re.sub(r"images=[\d_]+", "images=640", code), {})


def test_the_commands_shown_exist():
    assert len(COMMANDS) > 5
    for line in COMMANDS:
        command = line.split()[1]
        result = CliRunner().invoke(cli, [command, "--help"])
        assert result.exit_code == 0, line
        for option in re.findall(r"--[a-z-]+", line.partition("#")[0]):
            assert option in result.output, line


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = README.split("## Dependencies, and why")[1].split("## ")[0]
    explained = re.findall(r"^\| ([\w-]+) \|", table, re.MULTILINE)[2:]  # after the head and the line below it
    assert explained == [re.split("[>=<]", requirement)[0] for requirement in project["dependencies"]]


def test_everything_bundled_is_in_the_table():
    table = README.split("## What is bundled")[1].split("## ")[0]
    names = set(re.findall(r"`([\w-]+)`", table))
    builtin = {"provider": "torch-ganzoo"}
    assert names >= {
        *ganzoo.list_architectures(**builtin),
        *ganzoo.list_losses(**builtin),
        *ganzoo.list_pretrained(**builtin),
        *ganzoo.list_datasets(**builtin),
    }


def test_the_zoo_page_is_what_registry_and_cards_say():
    spec = importlib.util.spec_from_file_location("generate_zoo", ROOT / "docs" / "generate_zoo.py")
    generate_zoo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate_zoo)
    assert (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8") == generate_zoo.zoo_page()


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_belongs_to_a_model_that_says_so(name):
    config = ganzoo.load(name).config
    recipe = read_recipe(name)
    assert config.training["recipe"] == name
    assert config.training["images"] == recipe["training"]["images"]
    assert config.training["objective"] == str(ganzoo.create_objective(recipe["objective"]))
    for key, value in recipe["model"]["args"].items():
        assert config.networks["generator"].args[key] == value
