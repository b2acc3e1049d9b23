"""The smallest runs: tiny networks on the ring, or on random points and pictures."""

import hashlib
import json
import logging
import tomllib

import tomli_w
import torch
from torch import nn

from ganzoo import GAN, Trainer
from ganzoo.data.arrays import table_from_arrays
from ganzoo.training import resuming
from ganzoo.training.manifest import manifest_of

BATCH = 16
WIDTHS = {"latent_dim": 4, "generator_widths": [8], "discriminator_widths": [8]}
RARELY = 10**9  # an interval in images that no run reaches


def trainer(run=None, *, steps=6, objective="non_saturating", data="ring", model="mlp", **changes):
    """Prepare a run of so many steps of 16 images."""
    settings = {
        "images": BATCH * steps * changes.get("discriminator_steps", 1),
        "batch_size": BATCH,
        "precision": "fp32",
        "log_every_images": 1,
        "sample_every_images": RARELY,
        "checkpoint_every_images": RARELY,
        "progress": False,
    }
    if model == "mlp":
        changes["model_args"] = WIDTHS | changes.get("model_args", {})
    return Trainer(model, objective, data, run=run, **settings | changes)


def points(n=40, *, classes=0, seed=0):
    """Return n random points in the square, with labels where there are classes."""
    samples = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return table_from_arrays(samples, torch.arange(n) % classes if classes else None, value_range=(-1, 1))


def pictures(n=32, *, side=8, classes=0):
    """Return n random grey pictures."""
    samples = torch.randint(0, 256, (n, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return table_from_arrays(samples, torch.arange(n) % classes if classes else None)


def described(n=40, *, size=3, side=8):
    """Return n random grey pictures, each with a vector."""
    vectors = torch.randn(n, size, generator=torch.Generator().manual_seed(1))
    return table_from_arrays(pictures(n, side=side).samples, vectors=vectors)


def pairs(n=40, *, side=16, channels=1):
    """Return n random pictures in colour, each with the picture it is to be made from."""
    rng = torch.Generator().manual_seed(0)
    sources, samples = (
        torch.randint(0, 256, (n, c, side, side), dtype=torch.uint8, generator=rng) for c in (channels, 3)
    )
    return table_from_arrays(samples, sources=sources)


class PlainDiscriminator(nn.Module):
    """A discriminator that no registry knows, which remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        self.seen = []

    def forward(self, sample):
        self.seen.append(sample)
        return self.layers(sample).squeeze(1)


def plain_gan(*, seed=0):
    """Return a GAN of plain modules, both with batch norm and neither with a condition."""
    torch.manual_seed(seed)
    generator = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2), nn.Tanh())
    return GAN(generator=generator, discriminator=PlainDiscriminator(), latent_dim=4, sample_shape=(2,))


class StoppedError(Exception):
    """Ends a run as a crash would, from inside."""


def at_step(run, number, act):
    """Call `act` when a prepared run begins a step."""
    begin = run.step.begin

    def wrapped(index):
        if index == number:
            act()
        begin(index)

    run.step.begin = wrapped
    return run


def stop_at(run, number, *, save=False):
    """Train a prepared run until it begins a step, and leave its folder as a crash would (or one after a `save`)."""

    def stop():
        if save:
            run.journal.checkpoint()
        raise StoppedError

    try:
        at_step(run, number, stop).fit()
    except StoppedError:
        return run
    raise AssertionError("the run ended before it was stopped")


def same(first, second):
    """Tell whether two state dicts hold the same bits."""
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def copied(module):
    """Return a copy of a module's state dict."""
    return {key: value.clone() for key, value in module.state_dict().items()}


def digest(run):
    """Hash a trainer's whole state: weights, averages, optimizers, and which rows the next ten batches hold."""
    tensors, state = resuming.pack(run)
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    found.update(json.dumps([state["step"], state["optimizer_numbers"], state["optimizer_groups"]]).encode())
    first = state["step"] * run.settings.discriminator_steps
    found.update(b"".join(run._batches.order.batch(first + number).numpy().tobytes() for number in range(10)))
    return found.hexdigest()


def lines(run):
    """Return the lines of a run's metrics.jsonl without the speed, which no two runs share."""
    read = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in read]


def warnings_of(caplog):
    """Return what was logged as warnings."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def edit(run, change):
    """Change a run's config.toml."""
    config = tomllib.loads((run / "config.toml").read_text())
    change(config)
    (run / "config.toml").write_text(tomli_w.dumps(config))


def edit_state(run, change):
    """Change state.json of the newest checkpoint, and its manifest to match."""
    folder = run / "checkpoints" / (run / "checkpoints" / "latest").read_text().strip()
    state = json.loads((folder / "state.json").read_text())
    change(state)
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "MANIFEST.json").write_bytes(manifest_of(folder))
