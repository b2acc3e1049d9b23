"""torch-fidelity's Inception features, for redoing published tables on a machine with internet."""

import torch
from torch import Tensor

from ganzoo.errors import SourceError
from ganzoo.metrics.features import Extractor
from ganzoo.metrics.fidelity import import_fidelity

NAME = "inception-v3-compat"

# torch-fidelity's weights file is named after the first digits of its SHA-256.
_DIGEST = "6726825d"


def load_inception() -> Extractor:
    """Load the Inception network of 2015-12-05 that FID is defined on; torch-fidelity downloads it once.

    Returns:
        The extractor: uint8 pictures (N, C, H, W), of 1 or 3 channels and any size -> features (N, 2048), no logits.
        It resizes to 299x299 itself, as TensorFlow 1 did.

    Raises:
        MissingExtraError: torch-fidelity is not installed.
        SourceError: The weights cannot be downloaded.
    """
    fidelity = import_fidelity()
    try:
        network = fidelity.FeatureExtractorInceptionV3(NAME, ["2048"]).requires_grad_(False).eval()
    except OSError as error:  # URLError is one
        raise SourceError(
            f"the weights of {NAME} cannot be downloaded ({error}); run this once on a machine with internet, or use a "
            "bundled judge such as features='judge-mnist'"
        ) from error

    def look(pictures: Tensor) -> tuple[Tensor, None]:
        coloured = pictures.expand(-1, 3, -1, -1)  # grey pictures become (N, 3, H, W); colour ones stay
        (features,) = network(coloured.to(torch.uint8))
        return features, None

    return Extractor(name=NAME, sha256=_DIGEST, network=look)
