"""A GAN on MNIST in bare PyTorch. `same_in_ganzoo.py` beside it is the same program in ganzoo.

Run: python examples/bare_pytorch.py DIR, with the idx files of MNIST in DIR/MNIST/raw (torchvision's layout).
"""

import copy
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Normalize, ToTensor
from torchvision.utils import save_image

LATENT_DIM, BATCH_SIZE, EPOCHS, HALF_LIFE = 64, 64, 3, 10_000

generator = nn.Sequential(
    nn.Linear(LATENT_DIM, 256), nn.BatchNorm1d(256), nn.ReLU(),
    nn.Linear(256, 512), nn.BatchNorm1d(512), nn.ReLU(),
    nn.Linear(512, 28 * 28), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)),
)  # fmt: skip
discriminator = nn.Sequential(
    nn.Flatten(),
    nn.Linear(28 * 28, 512), nn.LeakyReLU(0.2),
    nn.Linear(512, 256), nn.LeakyReLU(0.2),
    nn.Linear(256, 1), nn.Flatten(0),
)  # fmt: skip


def main(folder: str) -> None:
    torch.manual_seed(0)
    pictures = MNIST(folder, transform=Compose([ToTensor(), Normalize(0.5, 0.5)]))
    loader = DataLoader(pictures, batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    average = copy.deepcopy(generator).eval()
    decay = 0.5 ** (BATCH_SIZE / HALF_LIFE)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    for epoch in range(EPOCHS):
        for real, _ in loader:
            fake = generator(torch.randn(len(real), LATENT_DIM))
            real_logits, fake_logits = discriminator(real), discriminator(fake.detach())
            discriminator_loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
            discriminator_optimizer.zero_grad()
            discriminator_loss.backward()
            discriminator_optimizer.step()

            discriminator.requires_grad_(False)
            generator_loss = F.softplus(-discriminator(fake)).mean()
            generator_optimizer.zero_grad()
            generator_loss.backward()
            generator_optimizer.step()
            discriminator.requires_grad_(True)

            with torch.no_grad():
                for averaged, current in zip(average.parameters(), generator.parameters(), strict=True):
                    averaged.lerp_(current, 1 - decay)
                for averaged, current in zip(average.buffers(), generator.buffers(), strict=True):
                    averaged.copy_(current)
        print(f"epoch {epoch}: discriminator {discriminator_loss:.3f}, generator {generator_loss:.3f}")
    with torch.no_grad():
        save_image(average(torch.randn(64, LATENT_DIM)), "samples.png", normalize=True, value_range=(-1, 1))


if __name__ == "__main__":
    main(sys.argv[1])
