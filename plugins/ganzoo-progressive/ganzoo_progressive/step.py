"""The training step of `progressive`: the two-player step on networks that grow with the images they have seen.

Real pictures are shown with no more detail than the generator's have at this stage, and mixed like them while a stage
is faded in (Karras et al. 2018, figure 2, arXiv 1710.10196). Everything else is the two-player step's, with any
objective. Penalties take gradients at pictures of full size: of an r1 at the size of a stage this is the part that the
stage's pixels are of all pixels, so that one gamma suits all stages.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ganzoo.data.table import Batch
from ganzoo.errors import ObjectiveError
from ganzoo.gan import GAN
from ganzoo.losses.objective import Objective, name_of
from ganzoo.training.settings import Settings
from ganzoo.training.step import AdversarialStep, Losses
from ganzoo_progressive.growth import Growing


class ProgressiveStep(AdversarialStep):
    """The two-player step, which tells both networks how many images were seen.

    A model that has seen some before, such as a pretrained one, goes on from there; one that is through its schedule
    stays at full size. A discriminator of another architecture sees the pictures of the stage at full size.
    """

    def __init__(self, gan: GAN, objective: Objective, settings: Settings) -> None:
        """Bind networks, objective and settings (with precision resolved).

        Raises:
            ObjectiveError: The objective limits weights, which the discriminator's layers scale when they use them.
        """
        if objective.constraints and isinstance(gan.discriminator, Growing):
            raise ObjectiveError(
                f"{name_of(objective.constraints[0])} limits the discriminator's weights, and those of progressive are "
                "scaled when they are used, so that it would limit something else; use gradient_penalty or r1"
            )
        super().__init__(gan, objective, settings)
        self._growing = [network for network in (self.generator, self.discriminator) if isinstance(network, Growing)]
        self._earlier = max((int(network.images) for network in self._growing), default=0)

    def begin(self, index: int) -> None:
        """Note the number of the step, and how many images were seen before it."""
        super().begin(index)
        for network in self._growing:
            network.images.fill_(self._earlier + index * self.settings.images_per_step)

    def discriminator_losses(self, batch: Batch) -> Losses:
        """Return what the two-player step does, on real pictures as they are seen at this stage."""
        return super().discriminator_losses(self._as_seen(batch))

    def generator_losses(self, batch: Batch) -> Losses:
        """Return what the two-player step does, with real pictures, where a loss needs them, as they are seen now."""
        return super().generator_losses(self._as_seen(batch))

    def state_dict(self) -> dict[str, Tensor]:
        """Return how many images were seen before this run, and what the two-player step keeps."""
        return {**super().state_dict(), "earlier_images": torch.tensor(self._earlier)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take these back."""
        super().load_state_dict(state)
        self._earlier = int(state["earlier_images"])

    def _as_seen(self, batch: Batch) -> Batch:
        with torch.no_grad():
            return replace(batch, sample=self._growing[0].as_seen(batch.sample)) if self._growing else batch
