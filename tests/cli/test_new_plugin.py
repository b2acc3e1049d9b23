import ast
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from distributions import environment, link

import ganzoo
from ganzoo.cli import cli, new_plugin
from ganzoo.errors import InputError, OutputError

ROOT = Path(ganzoo.__file__).parent.parent
NAMES = ["w", "sound-2-wave", "a" * new_plugin.LONGEST_NAME]


def invoke(*arguments):
    return CliRunner().invoke(cli, ["new-plugin", *map(str, arguments)])


def written(folder):
    """Return the files below a folder with their texts."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def package(tmp_path, site):
    folder = tmp_path / "package"
    assert invoke("waves", "--out", folder).exit_code == 0
    return folder


def run(package, *arguments):
    """Run a module in the package's folder, with the package installed, and return what it said."""
    site = package.with_name("installed")
    link(package, site)
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=package,
        env=environment(package, site),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_package_is_written_and_the_next_commands_are_said(tmp_path, site, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke("waves")
    assert result.exit_code == 0
    assert result.output == (
        'wrote 10 files to ganzoo-waves; next:\n    cd ganzoo-waves\n    pip install -e ".[test]"\n    pytest\n'
    )
    files = written(tmp_path / "ganzoo-waves")
    assert sorted(files) == [
        ".github/workflows/test.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "ganzoo_waves/__init__.py",
        "ganzoo_waves/py.typed",
        "ganzoo_waves/smooth_hinge.py",
        "ganzoo_waves/upconv.py",
        "pyproject.toml",
        "tests/test_plugin.py",
    ]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_filled_in(tmp_path, site, name):
    assert invoke(f"ganzoo-{name}", "--out", tmp_path / "package").exit_code == 0
    files = written(tmp_path / "package")
    module = f"ganzoo_{name.replace('-', '_')}"
    for path, text in files.items():
        assert "$" not in text or path.endswith("test.yml"), path
        if path.endswith(".py"):
            ast.parse(text)
            assert all(len(line) <= 120 for line in text.splitlines()), path
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == f"ganzoo-{name}"
    assert project["dependencies"] == [f"torch-ganzoo>={ganzoo.__version__}"]
    assert project["entry-points"] == {"ganzoo": {name: module}}
    assert f"GANZOO_PLUGIN_API = {ganzoo.PLUGIN_API}\n" in files[f"{module}/__init__.py"]
    assert f'"{module}.upconv:UPCONV"' in files[f"{module}/__init__.py"]
    steps = yaml.safe_load(files[".github/workflows/test.yml"])["jobs"]["test"]["steps"]
    assert steps[1]["with"] == {"python-version": "${{ matrix.python }}"}
    assert steps[-1] == {"run": "pytest"}


def test_every_template_has_its_place():
    folder = new_plugin.package_files("ganzoo.cli") / "plugin_template"
    assert {path.name for path in folder.iterdir()} == {f"{name}.template" for name in new_plugin.DESTINATIONS}


@pytest.mark.slow
def test_its_tests_pass_at_once(package):
    output = run(package, "pytest", "-q", "-p", "no:cacheprovider")
    assert " passed" in output
    assert "skipped" not in output


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=str)
def test_ruff_finds_nothing(package, arguments):
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff comes with the extra 'dev'")
    run(package, "ruff", *arguments, "--no-cache", ".")


@pytest.mark.slow
def test_mypy_finds_nothing(package):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy comes with the extra 'dev'")
    assert "no issues found in 3 source files" in run(package, "mypy", "--cache-dir", str(ROOT / ".mypy_cache"))


def test_what_exists_is_left_alone(tmp_path, site):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("empty", "file", "link"):
        result = invoke("waves", "--out", tmp_path / name)
        assert result.exit_code == InputError.exit_code
        assert result.stderr == (
            f"Error: {str(tmp_path / name)!r} exists already; give another place with --out, or move it away\n"
        )
    assert written(tmp_path / "empty") == {}
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "Waves",
            "2waves",
            "my_waves",
            "my waves",
            "-waves",
            "waves-",
            "my--waves",
            "wäves",
            "../waves",
            "ganzoo-",
        ),
        *("$name", "a/b", "a" * 31, "waves\n"),
    ],
)
def test_other_names_are_refused(tmp_path, site, name):
    result = CliRunner().invoke(cli, ["new-plugin", "--out", str(tmp_path / "package"), "--", name])
    assert result.exit_code == InputError.exit_code
    assert result.stderr.startswith(f"Error: the plugin's name is {name[:80]!r}; it takes at most 30 small letters")
    assert not (tmp_path / "package").exists()


def test_a_name_that_an_installed_plugin_has_is_refused(tmp_path, site):
    site.install("ganzoo-good", points="my_waves = ganzoo_good")
    result = invoke("my-waves", "--out", tmp_path / "package")
    assert result.exit_code == InputError.exit_code
    assert "the plugin's name is 'my-waves', which ganzoo-good 1.0 has, and two cannot share it" in result.stderr
    assert not (tmp_path / "package").exists()


def test_a_place_that_cannot_be_written_is_refused_and_nothing_is_left(tmp_path, site):
    (tmp_path / "file").write_text("mine")
    result = invoke("waves", "--out", tmp_path / "file" / "package")
    assert result.exit_code == OutputError.exit_code
    assert "Not a directory; choose another place" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "site"]


def test_a_disk_that_refuses_halfway_leaves_nothing(tmp_path, site, monkeypatch):
    values = new_plugin.values_for("waves")
    monkeypatch.setitem(new_plugin.DESTINATIONS, "test_plugin.py", "LICENSE/tests.py")  # LICENSE is a file
    with pytest.raises(OutputError, match="cannot write"):
        new_plugin.write_package(tmp_path / "package", values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]
