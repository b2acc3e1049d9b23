"""What turns pictures into the numbers that distances are taken between."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

# Fixed, and stamped on every number, for it moves features in the last digits.
BATCH_SIZE = 250


@dataclass(frozen=True)
class Observation:
    """What an extractor saw in a set of pictures.

    Attributes:
        features: (N, D) float32.
        logits: (N, K) float32, or None from an extractor that names no classes.
    """

    features: Tensor
    logits: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A network that pictures are looked at with.

    Attributes:
        name: What `features=` calls it.
        sha256: The digest of its weights.
        network: Maps uint8 pictures (N, C, H, W) to features (N, D) and logits (N, K), or None for logits.
    """

    name: str
    sha256: str
    network: Callable[[Tensor], tuple[Tensor, Tensor | None]]

    @property
    def label(self) -> str:
        """The name and the first digits of the weights' digest: what numbers are named after."""
        return f"{self.name}-{self.sha256[:8]}"

    def observe(self, pictures: Tensor) -> Observation:
        """Look at pictures, a batch at a time.

        Args:
            pictures: (N, C, H, W) uint8.
        """
        batches = tqdm(torch.split(pictures, BATCH_SIZE), desc=self.name, unit=" batches", leave=None, disable=None)
        with torch.inference_mode():
            seen = [self.network(batch) for batch in batches]
        logits = [each for _, each in seen if each is not None]
        features = torch.cat([each for each, _ in seen])
        # Cloned out of inference mode, so that the caller gets ordinary tensors.
        return Observation(features.clone(), torch.cat(logits).clone() if logits else None)
