"""The model card: README.md beside a model's weights, with what a reader and the Hugging Face Hub want to know."""

import json
from collections.abc import Mapping
from typing import Any

from ganzoo.config import ModelConfig

SPDX_TO_HUB = {"CC-BY-SA-3.0": "cc-by-sa-3.0", "CC-BY-SA-4.0": "cc-by-sa-4.0", "Apache-2.0": "apache-2.0", "MIT": "mit"}


def model_card(config: ModelConfig) -> str:
    """Return the text of a model card.

    Args:
        config: The saved model's config; its `training`, `metrics` and `license` fill the card.
    """
    network = config.networks["generator"]
    training, license_ = config.training, config.license
    title = str(training.get("recipe") or network.architecture)
    shape = " x ".join(map(str, config.sampling.sample_shape))
    weights = str(license_.get("weights", ""))
    header = ["---", "library_name: ganzoo", "tags: [gan, pytorch]", "pipeline_tag: unconditional-image-generation"]
    if weights:
        header.append(f"license: {SPDX_TO_HUB.get(weights, 'other')}")
    lines = [*header, "---", "", f"# {title}", ""]
    lines.append(
        f"A `{network.architecture}` generator of samples {shape}, made with ganzoo (`pip install torch-ganzoo`)."
    )
    lines += [
        "",
        "```python",
        "import ganzoo",
        "",
        'gan = ganzoo.load("local-dir:.")',
        "samples = gan.sample(16, seed=0)",
        "```",
    ]
    if training:
        lines += ["", "## Training", "", *_table(training)]
    if config.metrics:
        lines += ["", "## Metrics", ""]
        for metric in config.metrics:
            lines += [*_table(metric), ""] if isinstance(metric, dict) else [f"- {_cell(metric)}"]
    if license_:
        lines += ["", "## Licence", "", *_table(license_)]
    lines += ["", "## Architecture", "", f"`{network.architecture}` with", "", *_table(network.args)]
    return "\n".join(lines).rstrip() + "\n"


def _table(values: Mapping[str, Any]) -> list[str]:
    return ["| | |", "| --- | --- |", *(f"| {_cell(key)} | {_cell(value)} |" for key, value in values.items())]


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
