"""What a published benchmark is made of, and what its numbers may depend on besides."""

import json
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ganzoo.data.table import Table
from ganzoo.gan import GAN

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of a benchmark: what is trained, once for each seed.

    Attributes:
        name: The folder of its runs.
        label: What the row is called.
        data: Which of the benchmark's data sets it is trained on.
        model: The architecture.
        objective: The objective.
        model_args: Settings of the architecture.
        settings: Settings of the training, without the seed.
        published: What papers report for it, by column, where they measured something else.
        pretrained: What is fine-tuned, as `Benchmark.find_pretrained` knows it; empty for training from scratch.
    """

    name: str
    label: str
    data: str
    model: str
    objective: str
    model_args: Mapping[str, Any]
    settings: Mapping[str, Any]
    published: Mapping[str, str] = field(default_factory=dict)
    pretrained: str = ""

    def asked(self) -> dict[str, Any]:
        """Return everything but the seed that decides a run's result, as JSON holds it."""
        fields = {
            "data": self.data,
            "model": self.model,
            "model_args": dict(self.model_args),
            "objective": self.objective,
            "settings": dict(self.settings),
        }
        fields |= {"pretrained": self.pretrained} if self.pretrained else {}
        plain: dict[str, Any] = json.loads(json.dumps(fields))
        return plain


@dataclass(frozen=True, kw_only=True)
class Quoted:
    """A row of a paper.

    Attributes:
        data: Which data set it belongs to.
        label: What the row is called.
        cells: Its numbers as text, by column.
    """

    data: str
    label: str
    cells: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark: its rows, its data, and how a trained model is measured.

    Attributes:
        name: Of its folder, its report and its section.
        title: The section's heading.
        text: What the section says before its table.
        columns: The numbers of the table and the format of each, such as `{"modes": ".1f"}`.
        entries: The rows.
        open_data: Gives a data set by its name.
        measure: Gives a trained model's numbers, by column.
        real: Gives what real data scores: numbers by column, by the name of the data set.
        quoted: The rows of papers.
        protocol: What the report says beside the runs.
        find_pretrained: Gives what `Trainer.from_pretrained` takes for the name of a pretrained model.
    """

    name: str
    title: str
    text: str
    columns: Mapping[str, str]
    entries: Sequence[Entry]
    open_data: Callable[[str], Table]
    measure: Callable[[GAN, Table], Mapping[str, float]]
    real: Callable[[], Mapping[str, Mapping[str, float]]]
    quoted: Sequence[Quoted]
    protocol: Mapping[str, Any]
    find_pretrained: Callable[[str], str | Path] = str


def describe_environment(device: str) -> dict[str, Any]:
    """Return what results and seconds may depend on besides what was asked."""
    versions = {name: _version(name) for name in ("torch-ganzoo", "torch", "torch-fidelity")}
    return {
        "versions": {**versions, "python": platform.python_version()},
        "commit": _commit(),
        "device": device,
        "threads": torch.get_num_threads(),
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "none"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # there is no git
        return ""


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
