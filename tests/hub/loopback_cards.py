"""What the Hub reads from a model card: its metadata, and whether they are valid. Needs PyYAML, as the client does."""

import json
import re
import struct

import yaml

_LICENSES = (
    "apache-2.0 mit openrail openrail++ bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 "
    "bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 "
    "cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 "
    "cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 "
    "cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl "
    "gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr "
    "mpl-2.0 odc-by odbl osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr gemma unknown other"
)
_PIPELINES = (
    "unconditional-image-generation image-to-image text-to-image image-classification image-feature-extraction "
    "image-segmentation image-to-text image-to-video depth-estimation object-detection text-generation"
)
LICENSES, PIPELINES = frozenset(_LICENSES.split()), frozenset(_PIPELINES.split())


def front_matter(card: str) -> str | None:
    """Return the YAML between the two lines ``---`` at the head of a card, or ``None``."""
    found = re.match(r"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*$", card, re.DOTALL | re.MULTILINE)
    return found[1] if found else None


def card_data(card: str) -> dict:
    """Return the metadata of a card, empty when it has none that can be read."""
    try:
        data = yaml.safe_load(front_matter(card) or "")
    except yaml.YAMLError:
        return {}
    return json.loads(json.dumps(data, default=str)) if isinstance(data, dict) else {}


def validate(card: str) -> tuple[list[str], list[str]]:
    """Return the errors and the warnings that the Hub has for a model card."""
    text = front_matter(card)
    if text is None or not text.strip():
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [f"invalid yaml: {error}"], []
    if not isinstance(data, dict):
        return ["metadata must be a mapping"], []
    errors, warnings = [], []
    licenses = data.get("license")
    for license_ in licenses if isinstance(licenses, list) else [licenses] * (licenses is not None):
        if license_ not in LICENSES:
            errors.append(f'"license" must be one of [{", ".join(sorted(LICENSES))}], not {license_!r}')
    for name in ("tags", "language", "datasets", "metrics", "base_model"):
        value = data.get(name)
        texts = value if isinstance(value, list) else [value] * (value is not None)
        if (name == "tags" and not isinstance(value, list | None)) or not all(isinstance(text, str) for text in texts):
            errors.append(f'"{name}" must be an array of strings')
    for name in ("library_name", "pipeline_tag", "license_name", "license_link", "thumbnail"):
        if not isinstance(data.get(name), str | None):
            errors.append(f'"{name}" must be a string')
    if isinstance(data.get("pipeline_tag"), str) and data["pipeline_tag"] not in PIPELINES:
        warnings.append(f'"pipeline_tag": {data["pipeline_tag"]!r} is not in the official list')
    if "model-index" in data:
        errors += _model_index(data["model-index"])
    return errors, warnings


def _model_index(index: object) -> list[str]:
    """Return what is wrong with the results that a card reports."""
    if not isinstance(index, list):
        return ['"model-index" must be an array']
    errors = []
    for place, entry in enumerate(index):
        where = f'"model-index[{place}]'
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            errors.append(f'{where}.name" is required')
            continue
        if not isinstance(entry.get("results"), list):
            errors.append(f'{where}.results" must be an array')
            continue
        for number, result in enumerate(entry["results"]):
            needed = {"task": ("type",), "dataset": ("type", "name")}
            for part, fields in needed.items():
                value = result.get(part) if isinstance(result, dict) else None
                for name in fields:
                    if not isinstance(value, dict) or not isinstance(value.get(name), str):
                        errors.append(f'{where}.results[{number}].{part}.{name}" is required')
            metrics = result.get("metrics") if isinstance(result, dict) else None
            if not isinstance(metrics, list) or not all(
                isinstance(metric, dict) and "type" in metric and "value" in metric for metric in metrics
            ):
                errors.append(f'{where}.results[{number}].metrics" must be an array of type and value')
    return errors


def safetensors_parameters(content: bytes) -> dict[str, int]:
    """Return the number of parameters by data type that a safetensors file's header tells."""
    (size,) = struct.unpack("<Q", content[:8])
    counts: dict[str, int] = {}
    for name, tensor in json.loads(content[8 : 8 + size]).items():
        if name != "__metadata__":
            count = 1
            for length in tensor["shape"]:
                count *= length
            counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + count
    return counts
