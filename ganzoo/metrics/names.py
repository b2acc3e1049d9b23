"""What each number is called, which way is better, and what its metric fixes."""

from collections.abc import Mapping
from dataclasses import dataclass

from ganzoo.metrics.fidelity import KID_SUBSETS, NEIGHBOURS
from ganzoo.metrics.report import Better, Measurement, Protocol


@dataclass(frozen=True)
class Kind:
    """One kind of number: its title, which way is better, and what is to be known of it, with other numbers by name."""

    title: str
    better: Better
    detail: str


KINDS = {
    "frechet": Kind("FCD", "lower", "Fréchet distance of classifier features"),
    "kid": Kind("KID", "lower", f"mean of {KID_SUBSETS} subsets of {{kid_subset_size:.0f}}"),
    "precision": Kind("precision", "higher", f"k={NEIGHBOURS}"),
    "recall": Kind("recall", "higher", f"k={NEIGHBOURS}"),
    "class_divergence": Kind("class KL", "lower", "predicted classes to uniform, nats; floor: test split"),
    "confidence": Kind("confidence", "near floor", "mean probability of the likeliest class; floor: test split"),
    "label_accuracy": Kind("label accuracy", "higher", "share predicted as asked for; floor: test split"),
    "nearest_ratio": Kind(
        "nearest ratio", "near floor", "median distance to nearest training over nearest test picture"
    ),
    "nearer_to_train": Kind("nearer to train", "near floor", "share nearer to a training than to any test picture"),
    "modes": Kind("modes", "higher", "found by at least one sample within 3 sigma"),
    "high_quality": Kind("high quality", "higher", "share within 3 sigma of a mode"),
    "absolute_error": Kind("absolute error", "lower", "mean over all values, as a part of the range"),
    "error_over_copying": Kind("error over copying", "lower", "the same over that of the source itself"),
    "gradient_ratio": Kind("gradient ratio", "near floor", "mean gradient magnitude over the targets'"),
    "wasserstein": Kind("Wasserstein-1", "lower", "in the data's units"),
    "mean": Kind("mean", "near floor", ""),
    "deviation": Kind("deviation", "near floor", "standard"),
}

FID = Kind("FID", "lower", "Fréchet Inception distance")


def name_measurements(
    values: Mapping[str, float], floor: Mapping[str, float], ceiling: Mapping[str, float] | None, protocol: Protocol
) -> list[Measurement]:
    """Put a model's numbers beside the floor's and the ceiling's.

    Args:
        values: The model's numbers, under keys of `KINDS`; `kid_deviation` and `kid_subset_size` go with `kid`.
        floor: Real data's; may lack some.
        ceiling: An untrained generator's, or None.
        protocol: How all were measured.
    """
    found = []
    for key, value in values.items():
        if key not in KINDS:
            continue
        # Only Inception features may give a number that is called FID.
        kind = FID if key == "frechet" and protocol.features.startswith("inception") else KINDS[key]
        found.append(
            Measurement(
                name=f"{kind.title}[{protocol.features}]" if protocol.features else kind.title,
                value=value,
                floor=floor.get(key),
                ceiling=None if ceiling is None else ceiling.get(key),
                deviation=values.get(f"{key}_deviation"),
                better=kind.better,
                detail=kind.detail.format_map(values),
                protocol=protocol,
            )
        )
    return found
