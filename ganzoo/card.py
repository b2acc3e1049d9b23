"""The model card: README.md beside a model's weights, with what a reader and the Hugging Face Hub want to know."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganzoo.config import ModelConfig
from ganzoo.errors import printable
from ganzoo.models.condition import Condition
from ganzoo.registry import REPOSITORY

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

SPDX_TO_HUB = {"CC-BY-SA-3.0": "cc-by-sa-3.0", "CC-BY-SA-4.0": "cc-by-sa-4.0", "Apache-2.0": "apache-2.0", "MIT": "mit"}


# What the Hub calls the data sets that it has, and the tasks.
HUB_DATASETS = {"mnist": "ylecun/mnist", "fashion-mnist": "zalando-datasets/fashion_mnist"}
PIPELINES = {"none": "unconditional-image-generation", "image": "image-to-image"}
TASKS = {"label": "class-conditional-image-generation", "vector": "conditional-image-generation"} | PIPELINES

PICTURE = "samples.png"  # the card's picture, where the folder has one
HERE = "local-dir:."
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
TOLD = ("samples", "reference", "features", "features_sha256", "seed")  # of a number's protocol, in the metadata

_USE = {
    "none": "samples = gan.sample(16, seed=0)",
    "label": "samples = gan.sample(16, seed=0)  # of each class in turn; labels=3 asks for one",
    "vector": "samples = gan.sample(len(vectors), seed=0, condition=vectors)",
    "image": "samples = gan.translate(images)  # tensors in [-1, 1], or PIL pictures of any size",
}
_USE_OTHER = 'others = gan.translate(images, network="{}")'


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
    lines = ["---", _metadata(config, condition, title), "---", "", f"# {title}", ""]
    lines.append(
        f"A generator of samples {shape} (`{network.architecture}`), made with ganzoo (`pip install torch-ganzoo`)."
    )
    if picture:
        shown = "source, sample and target of the first training pairs" if condition.kind == "image" else "samples"
        shown = "source and sample of the first training sources" if "data_sources" in training else shown
        lines += ["", f"![{shown}, not picked: seed 0]({PICTURE})"]
    lines += [
        "",
        "```python",
        "import ganzoo",
        "",
        f'gan = ganzoo.load("{HERE}")',
        _USE[condition.kind],
        *(_USE_OTHER.format(name) for name in config.networks if name.startswith("generator_")),
        "```",
    ]
    origin = training.get("finetuning")
    if isinstance(origin, Mapping):
        lines += ["", "## Fine-tuned from", "", *_table(origin)]
        training = {key: value for key, value in training.items() if key != "finetuning"}
    if training:
        lines += ["", "## Training", "", *_table(training)]
        if isinstance(recipe := training.get("recipe"), str) and NAME.fullmatch(recipe):
            lines += ["", f"`ganzoo train --recipe {recipe} --data DIR` makes it again."]
    if config.metrics:
        lines += ["", "## Metrics", "", *metrics_table(config.metrics)]
    if license_:
        lines += ["", "## Licence", "", *_table(license_)]
    lines += ["", "## Architecture", "", f"`{network.architecture}` with", "", *_table(network.args)]
    other = config.networks.get("discriminator")
    if other and (other.architecture, other.args) != (network.architecture, network.args):
        lines += ["", f"Its discriminator is that of `{other.architecture}` with", "", *_table(other.args)]
    return "\n".join(lines).rstrip() + "\n"


def on_hub(card: str, repo_id: str) -> str:
    """Return a card as it reads on the Hub: what it loads is the repository instead of the folder it was in."""
    return re.sub(r'ganzoo\.load\("(local-dir:\.|hf-hub:[^"\n]*)"\)', f'ganzoo.load("hf-hub:{repo_id}")', card)


def _metadata(config: ModelConfig, condition: Condition, title: str) -> str:
    """Return what the Hub reads: library, task, licence, data sets, and the measured numbers."""
    from huggingface_hub import ModelCardData

    is_picture = len(config.sampling.sample_shape) == 3
    weights = str(config.license.get("weights", ""))
    license_ = SPDX_TO_HUB.get(weights, "other") if weights else None
    data = config.training.get("data")
    results = _results(config, TASKS[condition.kind], data) if is_picture and isinstance(data, str) else []
    origin = config.training.get("finetuning")
    repository = origin.get("repository") if isinstance(origin, Mapping) else None
    described = ModelCardData(
        library_name="ganzoo",
        base_model=repository if isinstance(repository, str) and REPOSITORY.fullmatch(repository) else None,
        tags=["gan", "pytorch"],
        pipeline_tag=PIPELINES.get(condition.kind) if is_picture else None,
        license=license_,
        license_name=weights.lower() if license_ == "other" and NAME.fullmatch(weights) else None,
        datasets=[HUB_DATASETS[data]] if isinstance(data, str) and data in HUB_DATASETS else None,
        model_name=title if results else None,
        eval_results=results or None,
    )
    return str(described.to_yaml()).rstrip()


def _results(config: ModelConfig, task: str, data: str) -> "list[EvalResult]":
    from huggingface_hub import EvalResult

    results = []
    for metric in config.metrics:
        name, value = (metric.get("name"), metric.get("value")) if isinstance(metric, Mapping) else (None, None)
        if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        protocol = metric.get("protocol")
        told = {key: protocol[key] for key in TOLD if key in protocol} if isinstance(protocol, Mapping) else None
        results.append(
            EvalResult(
                task_type=task,
                dataset_type=HUB_DATASETS.get(data, data),
                dataset_name=data,
                metric_type=re.sub(r"\W+", "-", name.partition("[")[0].strip().lower()),
                metric_name=name,
                metric_value=value,
                metric_args=told or None,
            )
        )
    return results


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
    return printable(text).replace("|", "\\|").replace("<", "&lt;")
