"""Two ways to train the same networks on the same data, to compare ganzoo's trainer with.

`Bare` is what one would write by hand for speed, with nothing but PyTorch. Each step: real and fake through the
discriminator separately; the generator learns from the same fakes, with the discriminator frozen; channels_last in
memory; bfloat16 autocast around each forward, with the losses in float32; fused Adam; gradients set to None; a batch is
gathered from one uint8 table and normalised in one go; a moving average of the generator's weights. It has no log, no
checks, no checkpoints and no seeds for single draws.

`Tutorial` keeps to the settings of pytorch/examples (dcgan) and, for pairs, of junyanz' pix2pix: float32 in ordinary
memory, Adam as it is by default, `.item()` on each loss, a `DataLoader` with two workers whose data set turns PIL
images into tensors. As there, the fakes are used twice, and the discriminator is frozen in the generator's step for
pairs only.
"""

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ganzoo.building import create_model
from ganzoo.data.table import Table
from ganzoo.gan import GAN

RATE, BETAS, HALF_LIFE, L1_WEIGHT = 2e-4, (0.5, 0.999), 10_000, 100.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is trained.

    Attributes:
        label: What the tables call it.
        architecture: Of both networks.
        arguments: Its settings.
        batch: Images a step.
        shape: Of a picture.
        is_paired: Whether pictures are made from pictures, with a further L1 loss.
        steps: Of one round.
        most: How many times the bare loop's seconds a step may take with ganzoo.
        least: How many times the tutorial's speed ganzoo must have in bfloat16; None where nothing is asked.
    """

    label: str
    architecture: str
    arguments: dict[str, Any]
    batch: int
    shape: tuple[int, int, int]
    is_paired: bool = False
    steps: int
    most: float
    least: float | None

    @property
    def objective(self) -> str:
        """The objective as ganzoo reads it."""
        return f"non_saturating + {L1_WEIGHT:g} * l1" if self.is_paired else "non_saturating"

    def gan(self) -> GAN:
        """Build the networks, the same ones each time."""
        torch.manual_seed(0)
        return create_model(self.architecture, **self.arguments)

    def table(self) -> Table:
        """Make data: pictures of uniform noise, which take as long as any others."""
        rng = torch.Generator().manual_seed(0)
        count = 20 * self.batch if self.is_paired else 4096
        pictures = torch.randint(0, 256, (count, *self.shape), dtype=torch.uint8, generator=rng)
        sources = torch.randint(0, 256, (count, *self.shape), dtype=torch.uint8, generator=rng)
        return Table(pictures, name="noise", sources=sources if self.is_paired else None)


CASES = {
    "dcgan": Case(
        label="dcgan, 32x32, width 64, batch 64",
        architecture="dcgan",
        arguments={"image_size": 32, "channels": 3, "base_channels": 64},
        batch=64,
        shape=(3, 32, 32),
        steps=10,
        most=1.03,
        least=1.7,
    ),
    "pix2pix": Case(
        label="pix2pix, 64x64, width 64, batch 16",
        architecture="pix2pix",
        arguments={"image_size": 64},
        batch=16,
        shape=(3, 64, 64),
        is_paired=True,
        steps=4,
        most=1.03,
        least=None,
    ),
    "mlp": Case(
        label="mlp, 28x28, batch 64",
        architecture="mlp",
        arguments={},
        batch=64,
        shape=(1, 28, 28),
        steps=150,
        most=1.06,
        least=2.5,
    ),
}


class Bare:
    """The optimized loop, with no framework."""

    def __init__(self, case: Case, precision: str) -> None:
        gan, table = case.gan().train(), case.table()
        self.generator, self.discriminator = gan.generator, gan.discriminator
        self.latent_dim, self.case, self.precision = gan.latent_dim, case, precision
        gan.to(memory_format=torch.channels_last)
        self.samples, self.sources = table.samples, table.sources
        self.generator_weights = list(self.generator.parameters())
        self.discriminator_weights = list(self.discriminator.parameters())
        self.generator_adam = torch.optim.Adam(self.generator_weights, lr=RATE, betas=BETAS, fused=True)
        self.discriminator_adam = torch.optim.Adam(self.discriminator_weights, lr=RATE, betas=BETAS, fused=True)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.averages = list(self.average.parameters())
        self.buffers, self.buffer_copies = list(self.generator.buffers()), list(self.average.buffers())
        self.decay = 0.5 ** (case.batch / HALF_LIFE)
        self.order, self.at = torch.randperm(len(self.samples)), 0

    def gather(self, pictures: Tensor, rows: Tensor) -> Tensor:
        """Return rows of the table as the networks take them."""
        batch = pictures.index_select(0, rows).contiguous(memory_format=torch.channels_last)
        return batch.float().sub_(127.5).div_(127.5)

    def autocast(self) -> Any:
        """Return the context of a forward."""
        return torch.autocast("cpu", dtype=torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def judge(self, samples: Tensor, source: Tensor | None) -> Tensor:
        """Return logits in float32."""
        with self.autocast():
            logits: Tensor = self.discriminator(samples.float(), *(() if source is None else (source,)))
        return logits.float()

    def step(self) -> None:
        """Train both networks on one batch."""
        if self.at + self.case.batch > len(self.order):
            self.order, self.at = torch.randperm(len(self.samples)), 0
        rows = self.order[self.at : self.at + self.case.batch]
        self.at += self.case.batch
        real = self.gather(self.samples, rows)
        source = None if self.sources is None else self.gather(self.sources, rows)
        latents = torch.randn(len(real), self.latent_dim) if self.latent_dim else None
        with self.autocast():
            fake = self.generator(latents, *(() if source is None else (source,)))
        real_logits, fake_logits = self.judge(real, source), self.judge(fake.detach(), source)
        loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        loss.backward()
        self.discriminator_adam.step()
        self.discriminator_adam.zero_grad(set_to_none=True)

        for weight in self.discriminator_weights:
            weight.requires_grad_(False)
        loss = F.softplus(-self.judge(fake, source)).mean()
        if source is not None:
            loss = loss + L1_WEIGHT * F.l1_loss(fake.float(), real)
        loss.backward()
        self.generator_adam.step()
        self.generator_adam.zero_grad(set_to_none=True)
        for weight in self.discriminator_weights:
            weight.requires_grad_(True)
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.generator_weights, 1 - self.decay)
            if self.buffers:
                torch._foreach_copy_(self.buffer_copies, self.buffers)


class Pictures(Dataset[Any]):
    """The table as a data set of PIL images made into tensors, as torchvision's data sets are; 60,000 items long."""

    def __init__(self, table: Table) -> None:
        from torchvision.transforms import Compose, Normalize, ToTensor

        self.parts = [part.permute(0, 2, 3, 1).numpy() for part in (table.samples, table.sources) if part is not None]
        self.transform = Compose([ToTensor(), Normalize(0.5, 0.5)])

    def __len__(self) -> int:
        return 60_000

    def __getitem__(self, index: int) -> list[Tensor]:
        from PIL import Image

        pictures = [part[index % len(part)] for part in self.parts]
        return [self.transform(Image.fromarray(each[..., 0] if each.shape[2] == 1 else each)) for each in pictures]


class Tutorial:
    """The loop that tutorials have."""

    def __init__(self, case: Case, precision: str = "fp32") -> None:
        gan = case.gan().train()
        self.generator, self.discriminator = gan.generator, gan.discriminator
        self.latent_dim, self.case = gan.latent_dim, case
        self.generator_adam = torch.optim.Adam(self.generator.parameters(), lr=RATE, betas=BETAS)
        self.discriminator_adam = torch.optim.Adam(self.discriminator.parameters(), lr=RATE, betas=BETAS)
        self.criterion = torch.nn.BCEWithLogitsLoss()
        self.loader = DataLoader(Pictures(case.table()), case.batch, shuffle=True, num_workers=2, drop_last=True)
        self.batches = self.endless()

    def endless(self) -> Iterator[list[Tensor]]:
        """Give batch after batch."""
        while True:
            yield from self.loader

    def step(self) -> None:
        """Train both networks on one batch."""
        real, *sources = next(self.batches)
        latents = torch.randn(len(real), self.latent_dim) if self.latent_dim else None
        self.discriminator.zero_grad()
        logits = self.discriminator(real, *sources)
        real_loss = self.criterion(logits, torch.ones_like(logits))
        real_loss.backward()
        real_score = logits.mean().item()
        fake = self.generator(latents, *sources)
        logits = self.discriminator(fake.detach(), *sources)
        fake_loss = self.criterion(logits, torch.zeros_like(logits))
        fake_loss.backward()
        fake_score = logits.mean().item()
        discriminator_loss = real_loss + fake_loss
        self.discriminator_adam.step()

        if self.case.is_paired:
            self.discriminator.requires_grad_(False)
        self.generator.zero_grad()
        logits = self.discriminator(fake, *sources)
        loss = self.criterion(logits, torch.ones_like(logits))
        if self.case.is_paired:
            loss = loss + L1_WEIGHT * F.l1_loss(fake, real)
        loss.backward()
        self.generator_adam.step()
        if self.case.is_paired:
            self.discriminator.requires_grad_(True)
        self.shown = discriminator_loss.item(), loss.item(), real_score, fake_score, logits.mean().item()
