"""What `synthetic_augmentation.py` is made of: few real pictures, drawn ones, and a classifier trained on both."""

from dataclasses import dataclass

import torch
from torch import nn

from ganzoo.data.table import Table
from ganzoo.gan import GAN
from ganzoo.metrics.classes import label_accuracy
from ganzoo.metrics.fidelity import compare
from ganzoo.metrics.judge import load_judge
from ganzoo.metrics.neighbours import memorisation
from ganzoo.metrics.networks import Judge, plain
from ganzoo.metrics.train_judge import shifted
from ganzoo.randomness import generator, hash_seed

NAME = "synthetic-augmentation"
PER_CLASS, DRAWN = 20, 100  # real pictures a class, and drawn ones
STEPS, BATCH, SHIFT, LEARNING_RATE, WEIGHT_DECAY = 500, 64, 2, 3e-3, 0.02  # of the classifier


@dataclass(frozen=True)
class Data:
    """A data set with its judge.

    Attributes:
        name: `"mnist"` or `"fashion"`.
        train: The training split.
        test: The test split.
    """

    name: str
    train: Table
    test: Table

    def few(self, seed: int) -> Table:
        """Return the real pictures of a seed: so many of each class, in the order of the classes."""
        assert self.train.labels is not None, "idx files come with labels"
        order = torch.randperm(len(self.train), generator=generator(seed, NAME))
        labels = self.train.labels[order]
        rows = torch.cat([order[labels == label][:PER_CLASS] for label in range(self.train.num_classes)])
        return Table(
            self.train.samples[rows],
            self.train.labels[rows],
            self.train.class_names,
            name=f"{self.name}-{PER_CLASS}",
            license=self.train.license,
        )


def draw_from(gan: GAN, few: Table, seed: int) -> Table:
    """Return so many pictures of each class, rounded as they would be saved."""
    labels = torch.arange(few.num_classes).repeat_interleave(DRAWN)
    samples = gan.sample(len(labels), seed=seed, labels=labels)
    return Table(few.to_data(samples), labels, few.class_names, name=f"{few.name}-drawn")


def train_classifier(few: Table, drawn: Table | None, *, shift: int, seed: int) -> Judge:
    """Train a small classifier with as many steps on as many pictures, whatever they are.

    Args:
        few: The real pictures.
        drawn: What is added: half of each batch; None for nothing.
        shift: Pictures are moved by up to so many pixels each way.
        seed: Of weights and batches.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(hash_seed(seed, "weights"))
        network = plain().to(memory_format=torch.channels_last)
    rng = generator(seed, "batches")
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    tables = [few] if drawn is None else [few, drawn]
    for _ in range(STEPS):
        pictures, labels = [], []
        for table in tables:
            assert table.labels is not None, "both have labels"
            rows = torch.randint(len(table), (BATCH // len(tables),), generator=rng)
            pictures.append(table.samples[rows])
            labels.append(table.labels[rows])
        logits = network(shifted(torch.cat(pictures), shift, rng))[1]
        loss = nn.functional.cross_entropy(logits, torch.cat(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def describe_pictures(drawn: Table, few: Table, data: Data) -> dict[str, float]:
    """Say what drawn pictures are worth by themselves, on the features of the data's judge."""
    judge = load_judge(f"judge-{data.name}")
    seen, real = judge.observe(drawn.samples), judge.observe(data.test.samples)
    assert seen.logits is not None, "a judge names classes"
    assert drawn.labels is not None, "classes were asked for"
    near = compare(seen.features, real.features, ["precision-recall"])
    others = torch.randperm(len(data.test), generator=generator(NAME))[: len(few)]
    copies = memorisation(seen.features, judge.observe(few.samples).features, real.features[others])
    return {
        "label accuracy": label_accuracy(seen.logits, drawn.labels),
        "precision": near["precision"],
        "recall": near["recall"],
        "nearer to train": copies["nearer_to_train"],
    }
