"""The model card: README.md beside a model's weights, with what a reader and the Hugging Face Hub want to know."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ganzoo.config import ModelConfig
from ganzoo.models.condition import Condition

SPDX_TO_HUB = {"CC-BY-SA-3.0": "cc-by-sa-3.0", "CC-BY-SA-4.0": "cc-by-sa-4.0", "Apache-2.0": "apache-2.0", "MIT": "mit"}


PICTURE = "samples.png"  # the card's picture, where the folder has one


_USE = {
    "none": "samples = gan.sample(16, seed=0)",
    "label": "samples = gan.sample(16, seed=0)  # of each class in turn; labels=3 asks for one",
    "vector": "samples = gan.sample(len(vectors), seed=0, condition=vectors)",
    "image": "samples = gan.translate(images)  # tensors in [-1, 1], or PIL pictures of any size",
}


def model_card(config: ModelConfig, condition: Condition, *, picture: bool = False) -> str:
    """Return the text of a model card.

    Args:
        config: The saved model's config; its `training`, `metrics` and `license` fill the card.
        condition: What the generator is conditioned on.
        picture: Show the folder's picture of samples.
    """
    network = config.networks["generator"]
    training, license_ = config.training, config.license
    title = _cell(training.get("recipe") or network.architecture)
    shape = " x ".join(map(str, config.sampling.sample_shape))
    weights = str(license_.get("weights", ""))
    header = ["---", "library_name: ganzoo", "tags: [gan, pytorch]"]
    if len(config.sampling.sample_shape) == 3:
        tags = {"none": "unconditional-image-generation", "image": "image-to-image"}
        header += [f"pipeline_tag: {tags[condition.kind]}"] if condition.kind in tags else []
    if weights:
        header.append(f"license: {SPDX_TO_HUB.get(weights, 'other')}")
    lines = [*header, "---", "", f"# {title}", ""]
    lines.append(
        f"A generator of samples {shape} (`{network.architecture}`), made with ganzoo (`pip install torch-ganzoo`)."
    )
    if picture:
        shown = "source, sample and target of the first training pairs" if condition.kind == "image" else "samples"
        lines += ["", f"![{shown}, not picked: seed 0]({PICTURE})"]
    lines += [
        "",
        "```python",
        "import ganzoo",
        "",
        'gan = ganzoo.load("local-dir:.")',
        _USE[condition.kind],
        "```",
    ]
    if training:
        lines += ["", "## Training", "", *_table(training)]
    if config.metrics:
        lines += ["", "## Metrics", "", *metrics_table(config.metrics)]
    if license_:
        lines += ["", "## Licence", "", *_table(license_)]
    lines += ["", "## Architecture", "", f"`{network.architecture}` with", "", *_table(network.args)]
    other = config.networks.get("discriminator")
    if other and (other.architecture, other.args) != (network.architecture, network.args):
        lines += ["", f"Its discriminator is that of `{other.architecture}` with", "", *_table(other.args)]
    return "\n".join(lines).rstrip() + "\n"


def metrics_table(metrics: Sequence[Any]) -> list[str]:
    """Return measured numbers as a table, with how they were measured under it.

    Args:
        metrics: Measurements, each with name, value, floor, ceiling, deviation, detail and protocol; a stranger's
            config may hold anything else, which is left out or shown as it is.
    """
    metrics = [metric for metric in metrics if isinstance(metric, Mapping)]
    lines = ["| metric | value | real data | untrained | |", "| --- | --- | --- | --- | --- |"]
    for metric in metrics:
        values = [metric.get(key) for key in ("name", "value", "floor", "ceiling", "detail")]
        lines.append("| " + " | ".join(map(_short, values)) + " |")
    protocols = {json.dumps(metric.get("protocol")): metric.get("protocol") for metric in metrics}
    for protocol in protocols.values():
        if not isinstance(protocol, Mapping) or not protocol:
            continue
        told = "; ".join(f"{_cell(key)}: {_cell(value)}" for key, value in protocol.items() if value != "")
        lines += ["", f"Protocol: {told}."]
    return lines


def _table(values: Mapping[str, Any]) -> list[str]:
    return ["| | |", "| --- | --- |", *(f"| {_cell(key)} | {_cell(value)} |" for key, value in values.items())]


def _short(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else _cell(value)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
