"""One number by its name, as `evaluate` prints it: `FCD[judge-mnist]`, `high quality`, `absolute error`."""

import re
from dataclasses import dataclass

from ganzoo.data.table import Table
from ganzoo.errors import InputError, UnknownNameError, did_you_mean
from ganzoo.metrics.names import KINDS
from ganzoo.metrics.points import MIXTURES
from ganzoo.metrics.report import Measurement, Report
from ganzoo.models.condition import Condition
from ganzoo.registry import normalise

TEXT = re.compile(r"\s*([^\[\]]+?)\s*(?:\[([^\[\]]+)\]\s*)?")

# The numbers of pictures that say which of two models is better, and the metric of `evaluate` that gives each.
OF_PICTURES = {
    "frechet": "frechet",
    "kid": "kid",
    "precision": "precision-recall",
    "recall": "precision-recall",
    "class_divergence": "classes",
    "label_accuracy": "classes",
}
OF_PAIRS = ("absolute_error", "error_over_copying")
OF_MODES = ("modes", "high_quality")
OF_LINES = ("wasserstein",)


@dataclass(frozen=True)
class Choice:
    """The number that is meant.

    Attributes:
        key: A key of `KINDS`.
        features: The extractor's name, or an empty string for the first that `evaluate` takes, and where there is none.
    """

    key: str
    features: str = ""

    @property
    def metrics(self) -> list[str] | None:
        """What to ask `evaluate` for; None for points and pairs."""
        return [OF_PICTURES[self.key]] if self.key in OF_PICTURES else None

    def find(self, report: Report) -> Measurement:
        """Return the number in a report.

        Raises:
            InputError: It is not there.
        """
        wanted = normalise(self.features.rpartition("/")[2])  # numbers are named after a judge's short name
        for measurement in report.measurements:
            features = normalise(measurement.protocol.features)
            if _key(measurement.name.partition("[")[0]) == self.key and features.startswith(wanted):
                return measurement
        named = ", ".join(measurement.name for measurement in report.measurements)
        raise InputError(f"the report has no {KINDS[self.key].title!r}; it has {named}")


def choose(text: str, data: Table, condition: Condition) -> Choice:
    """Find the number that a text names, among those by which the best model for data can be told.

    Args:
        text: A number's name, as reports or `KINDS` have it, and for pictures in brackets the features it is taken on,
            such as `"FCD[judge-mnist]"`; without them it is the first judge's.
        data: What a model's samples are held against.
        condition: What the model is conditioned on.

    Raises:
        UnknownNameError: No number has this name.
        InputError: The number is of other data, or does not say which of two models is better.
    """
    match = TEXT.fullmatch(text)
    key = _key(match[1]) if match else ""
    if match is None or key not in KINDS:
        titles = [kind.title for kind in KINDS.values()]
        raise UnknownNameError(
            f"no number is named {text!r}{did_you_mean(text, [*titles, *KINDS])}; use {', '.join(titles)}"
        )
    fitting = _fitting(data, condition)
    if key not in fitting:
        names = " or ".join(repr(KINDS[each].title) for each in fitting)
        raise InputError(
            f"the best model of {data.name} cannot be told by {KINDS[key].title!r}; "
            + (f"use {names}" if names else "nothing that ganzoo measures fits such data, so leave best_by out")
        )
    if match[2] and key not in OF_PICTURES:
        raise InputError(f"{text!r} names features, which only numbers of pictures have; use {KINDS[key].title!r}")
    return Choice(key, match[2] or "")


def _key(name: str) -> str:
    """Return the key of `KINDS` for a title or key in any spelling; the name itself where there is none."""
    spelt = {_plain(kind.title): key for key, kind in KINDS.items()} | {_plain(key): key for key in KINDS}
    # The Fréchet distance is called FID on Inception's features.
    return (spelt | {"fid": "frechet"}).get(_plain(name), name)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip().lower())


def _fitting(data: Table, condition: Condition) -> tuple[str, ...]:
    if condition.kind == "image":
        return OF_PAIRS if data.paired else ()
    if len(data.sample_shape) == 3:
        return tuple(OF_PICTURES)
    if data.sample_shape == (1,):
        return OF_LINES
    return OF_MODES if data.name in MIXTURES else ()
