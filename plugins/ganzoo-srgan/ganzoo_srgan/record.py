"""The numbers of a comparison, as a model's card has them."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

import ganzoo
from ganzoo import saving, zoo
from ganzoo.data.table import Table
from ganzoo.metrics.report import Better, Measurement, Protocol
from ganzoo_srgan.compare import BATCH, finite

KINDS: dict[str, tuple[str, float | None, Better, str]] = {
    "psnr": ("PSNR", None, "higher", "dB, mean over pictures, of uint8 values and all channels, no edges cut off"),
    "ssim": ("SSIM", 1.0, "higher", "mean over pictures, window 11x11 with deviation 1.5, all channels, no padding"),
    "feature_distance": ("feature distance", 0.0, "lower", "as LPIPS, without its learned weights"),
}


def record(folder: Path, table: Table, found: dict[str, Any], network: str | None, levels: int) -> None:
    """Write the numbers into a saved model's config.json and card, in place of older ones of the same names.

    Args:
        folder: The model's folder.
        table: The pairs.
        found: What `ganzoo_srgan.compare.compare` returned of the model and the pairs.
        network: Whose features were compared, if any.
        levels: How many of its levels.

    Raises:
        SourceError: The folder holds no model.
        OutputError: It cannot be written.
    """
    source = f"local-dir:{folder}"
    config, gan = zoo.read_config(zoo.locate(source)), zoo.load(source)
    half_life = config.training.get("ema_half_life_images")
    protocol = Protocol(
        samples=found["pictures"],
        reference=f"{found['pictures']} of {table.name}",
        floor="the targets themselves",
        ceiling="bicubic enlargement of the same sources, which an untrained srgan gives",
        features="" if network is None else f"{network}, levels 0 to {levels - 1}",
        seed=0,
        batch_size=BATCH,
        quantisation="uint8",
        labels="the data's sources in turn",
        weights=f"EMA, half-life {half_life} images" if half_life else "as given",
        versions=f"ganzoo {ganzoo.__version__}, torch {torch.__version__}",
    )
    measured = []
    for key, value in finite(found)["model"].items():
        if value is None:
            continue
        title, floor, better, detail = KINDS[key]
        own = protocol if key == "feature_distance" else replace(protocol, features="")
        measured.append(
            Measurement(
                name=title if key != "feature_distance" else f"{title}[{network}]",
                value=value,
                floor=floor,
                ceiling=finite(found)["bicubic"][key],
                better=better,
                detail=detail,
                protocol=own,
            )
        )
    names = {each.name for each in measured}
    kept = [each for each in config.metrics if not (isinstance(each, dict) and each.get("name") in names)]
    described = replace(config, metrics=[*kept, *map(asdict, measured)])
    saving.write_description(folder, described, gan.condition)
