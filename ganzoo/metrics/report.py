"""The result of an evaluation: numbers that carry their protocol, between a floor and a ceiling."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ganzoo.config import build_config, read_json_object
from ganzoo.errors import ConfigError

Better = Literal["lower", "higher", "near floor"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that must be the same before two numbers may be compared.

    Attributes:
        samples: How many samples were drawn.
        reference: The real data they are compared with, its split and count.
        floor: What the floor is measured on.
        ceiling: What the ceiling is measured on.
        features: The extractor and the first digits of its weights' SHA-256; empty for point data.
        features_sha256: The whole digest.
        seed: The samples' seed.
        batch_size: How many samples are generated, and looked at, at a time.
        precision: Of the networks.
        quantisation: What samples are rounded to before anything looks at them.
        resize: How pictures are resized before features are taken.
        labels: What a conditional model was asked for.
        truncation: How latents are cut off.
        weights: Which of the generator's weights were used.
        versions: Of the packages that the numbers come from.
    """

    samples: int
    reference: str
    floor: str
    ceiling: str
    features: str = ""
    features_sha256: str = ""
    seed: int
    batch_size: int
    precision: str = "float32"
    quantisation: str
    resize: str = "none"
    labels: str
    truncation: str = "none"
    weights: str
    versions: str

    def __str__(self) -> str:
        features = f"features {self.features}, " if self.features else ""
        return (
            f"{self.samples} samples against {self.reference}; {features}seed {self.seed}, "
            f"batches of {self.batch_size}, {self.precision}, quantised to {self.quantisation}, resize {self.resize}, "
            f"labels {self.labels}, truncation {self.truncation}, weights {self.weights}; "
            f"floor: {self.floor}; ceiling: {self.ceiling}; {self.versions}"
        )


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number.

    Attributes:
        name: What it is, and the features it was taken on: `FCD[judge-mnist-0123abcd]`.
        value: The model's.
        floor: Real data's, or None where there is none.
        ceiling: An untrained generator's, or None where there is none.
        deviation: The value's standard deviation, where the metric gives one.
        better: Which way is better; `near floor` where real data's value is the aim.
        detail: What is measured, and what the metric itself fixes, such as k.
        protocol: How it was measured.
    """

    name: str
    value: float
    floor: float | None
    ceiling: float | None
    deviation: float | None = None
    better: Better
    detail: str
    protocol: Protocol

    @property
    def share_of_ceiling(self) -> float | None:
        """The value over the ceiling, where lower is better: 1 is no better than an untrained generator."""
        return self.value / self.ceiling if self.better == "lower" and self.ceiling else None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an evaluation found.

    Attributes:
        model: What was evaluated.
        data: What it was compared with.
        measurements: The numbers.
        class_shares: For each judge, the share of samples it takes for each class.
        notes: What a reader should know besides.
    """

    model: str
    data: str
    measurements: tuple[Measurement, ...]
    class_shares: dict[str, list[float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Measurement:
        """Return the first measurement whose name is, or begins with, `name`, such as `"FCD"`.

        Raises:
            KeyError: There is none.
        """
        for measurement in self.measurements:
            if measurement.name.startswith(name):
                return measurement
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; every measurement holds its protocol."""
        return asdict(self)

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        """Read what `to_json` wrote.

        Raises:
            ConfigError: The text is no report.
        """
        content = read_json_object(text, "the report")
        items = content.pop("measurements", None)
        if not isinstance(items, list):
            raise ConfigError("the report has no measurements; give what `ganzoo evaluate --out FILE` wrote")
        measurements = tuple(map(_read_measurement, items))
        return build_config(cls, content | {"measurements": measurements}, "the report")

    def __str__(self) -> str:
        rows = [["", "value", "floor", "ceiling", "of ceiling", "better", ""]]
        rows += [_row(measurement) for measurement in self.measurements]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{self.model} on {self.data}", ""]
        for name, *cells in rows:
            padded = [cell.rjust(width) for cell, width in zip(cells[:-2], widths[1:-2], strict=True)]
            lines.append("  ".join([name.ljust(widths[0]), *padded, cells[-2].ljust(widths[-2]), cells[-1]]).rstrip())
        for label, shares in self.class_shares.items():
            lines.append(f"classes[{label}]: " + " ".join(f"{share:.1%}" for share in shares))
        protocols = dict.fromkeys(str(measurement.protocol) for measurement in self.measurements)
        return "\n".join([*lines, "", *(f"protocol: {each}" for each in protocols), *self.notes])


def _read_measurement(item: object) -> Measurement:
    protocol = item.get("protocol") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(protocol, dict):
        raise ConfigError("the report has a measurement without protocol; give what `ganzoo evaluate --out FILE` wrote")
    stamped = {"protocol": build_config(Protocol, protocol, "the report: protocol")}
    return build_config(Measurement, item | stamped, "the report: measurement")


def _row(measurement: Measurement) -> list[str]:
    share = measurement.share_of_ceiling
    numbers = (measurement.value, measurement.floor, measurement.ceiling)
    cells = ["-" if number is None else f"{number:.4g}" for number in numbers]
    of_ceiling = "" if share is None else f"{share:.1%}"
    spread = "" if measurement.deviation is None else f"± {measurement.deviation:.2g}, "
    return [measurement.name, *cells, of_ceiling, measurement.better, spread + measurement.detail]
