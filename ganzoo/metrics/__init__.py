"""What a set of samples is worth, with the protocol stamped on every number."""

from ganzoo.errors import MissingExtraError
from ganzoo.metrics.evaluation import evaluate
from ganzoo.metrics.report import Measurement, Protocol, Report

__all__ = ["Measurement", "MissingExtraError", "Protocol", "Report", "evaluate"]
