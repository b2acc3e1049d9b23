"""All plugins of this repository and two broken ones in one environment: installed, listed, disabled, removed."""

import importlib.util
import os
import re
import site
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

import pytest
from distributions import BROKEN, SWITCHES

ROOT = Path(__file__).parent.parent
OURS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
FAULTS = {"ganzoo-raises": BROKEN["raises"], "ganzoo-misspells": BROKEN["misspells"]}
PROJECT = """
    [build-system]
    requires = ["hatchling>=1.27"]
    build-backend = "hatchling.build"

    [project]
    name = "{name}"
    version = "1.0"
    dependencies = ["torch-ganzoo"]

    [project.entry-points.ganzoo]
    {module} = "{module}"

    [tool.hatch.build.targets.wheel]
    packages = ["{module}"]
"""
# What a built-in gives, and what is imported on the way.
SAMPLE = """
import hashlib, ganzoo
print(hashlib.sha256(ganzoo.load("dcgan-mnist").sample(4, seed=0).numpy().tobytes()).hexdigest())
"""
LISTED = """
import sys
from click.testing import CliRunner
from ganzoo.cli import cli
done = CliRunner().invoke(cli, ["list"], catch_exceptions=False)
print(*sorted({"torch", "timm", "torchvision", "numpy", "PIL"} & set(sys.modules)))
sys.exit(done.exit_code)
"""


class Environment:
    """A virtual environment of its own, with all that the tests' own has installed but these plugins."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = folder / "bin" / "python"
        (packages,) = folder.glob("lib/python*/site-packages")
        for installed in (entry for place in site.getsitepackages() for entry in Path(place).iterdir()):
            if not any(name.replace("-", "_") in installed.name for name in OURS):
                (packages / installed.name).symlink_to(installed)
        (packages / "repository.pth").write_text(f"{ROOT}\n")
        self._variables = {name: value for name, value in os.environ.items() if name not in (*SWITCHES, "PYTHONPATH")}

    def run(self, *arguments: str, **switches: str) -> subprocess.CompletedProcess[str]:
        """Run Python with arguments, which must succeed."""
        done = subprocess.run(
            [str(self.python), *arguments],
            env={**self._variables, **switches},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done

    def ganzoo(self, *arguments: str, **switches: str) -> str:
        """Return what a command prints."""
        return self.run("-m", "ganzoo", *arguments, **switches).stdout

    def pip(self, *arguments: str) -> None:
        """Run the pip of the tests' own environment on this one."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *arguments]
        done = subprocess.run(command, env=self._variables, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def write_broken(folder: Path, name: str) -> str:
    """Write the project of a plugin that cannot be loaded, and return its folder."""
    module = name.replace("-", "_")
    (folder / name / module).mkdir(parents=True)
    (folder / name / "pyproject.toml").write_text(textwrap.dedent(PROJECT).format(name=name, module=module))
    (folder / name / module / "__init__.py").write_text(textwrap.dedent(FAULTS[name][0]))
    return str(folder / name)


def statuses(shown: str) -> dict[str, str]:
    """Return the status of each plugin that `ganzoo plugins` shows."""
    rows = re.findall(r"^  (\S+) +\S+ +(?:\S+ +)?(active|disabled|failed)\b", shown, re.MULTILINE)
    return dict(rows)


@pytest.mark.slow
def test_all_of_them_and_two_broken_ones(tmp_path):
    place = Environment(tmp_path / "environment")
    listed, sample = place.ganzoo("list"), place.run("-c", SAMPLE).stdout
    assert "torch-ganzoo" in listed
    assert not any(name in listed for name in OURS)

    projects = [str(ROOT / "plugins" / name) for name in OURS] + [write_broken(tmp_path, name) for name in FAULTS]
    isolated = [] if importlib.util.find_spec("hatchling") is None else ["--no-build-isolation"]
    place.pip("install", "--quiet", "--no-deps", *isolated, *projects)

    shown = place.ganzoo("plugins")
    expected = {"torch-ganzoo": "active"} | dict.fromkeys(OURS, "active") | dict.fromkeys(FAULTS, "failed")
    assert statuses(shown) == expected
    for _, message in FAULTS.values():
        assert message in re.sub(r"\s+", " ", shown)

    # What is built in stays as it was, and so does what listing imports.
    both = place.ganzoo("list")
    assert {words for line in listed.splitlines() if "torch-ganzoo" in (words := " ".join(line.split()))} <= {
        " ".join(line.split()) for line in both.splitlines()
    }
    assert all(name in both for name in OURS)
    assert not any(name in both for name in FAULTS)
    assert place.run("-c", SAMPLE).stdout == sample
    assert place.run("-c", LISTED).stdout == "\n"

    first = OURS[0]
    disabled = place.ganzoo("plugins", GANZOO_DISABLE_PLUGINS=f"{first},ganzoo-raises")
    assert statuses(disabled) == expected | {first: "disabled", "ganzoo-raises": "disabled"}
    assert first not in place.ganzoo("list", GANZOO_DISABLE_PLUGINS=first)

    for name in (first, "ganzoo-raises"):
        place.pip("uninstall", "--quiet", "--yes", name)
    left = {name: status for name, status in expected.items() if name not in (first, "ganzoo-raises")}
    assert statuses(place.ganzoo("plugins")) == left
    place.pip("uninstall", "--quiet", "--yes", *(name for name in left if name != "torch-ganzoo"))
    assert place.ganzoo("list") == listed
    assert statuses(place.ganzoo("plugins")) == {"torch-ganzoo": "active"}
