"""The bundled judges, loaded and checked."""

from importlib.resources import as_file, files

import torch

from ganzoo import weights
from ganzoo.config import read_json_object
from ganzoo.errors import WeightsError
from ganzoo.metrics.features import Extractor
from ganzoo.metrics.recipes import NETWORKS, find_recipe


def load_judge(name: str) -> Extractor:
    """Load a bundled judge, in eval mode.

    Args:
        name: A key of `RECIPES`, such as `"judge-mnist"`.

    Returns:
        The judge: uint8 pictures (N, 1, 28, 28) -> features (N, 128), non-negative, and logits (N, 10).

    Raises:
        UnknownNameError: No judge has this name.
        WeightsError: The weights are missing, damaged, or not those that the judge's JSON file names.
    """
    network = NETWORKS[find_recipe(name).network]
    with as_file(files("ganzoo.metrics") / "judges") as folder:
        try:
            described = read_json_object((folder / f"{name}.json").read_bytes(), f"{name}.json")
        except OSError as error:
            raise WeightsError(f"the judge {name!r} is missing from the package; reinstall torch-ganzoo") from error
        sha256 = str(described.get("sha256"))
        tensors = weights.read_tensors(folder / f"{name}.safetensors", sha256)
    with torch.device("meta"):
        judge = network()
    weights.assign(judge, tensors, name)
    judge.requires_grad_(False).eval()
    return Extractor(name=name, sha256=sha256, network=judge.to(memory_format=torch.channels_last))
