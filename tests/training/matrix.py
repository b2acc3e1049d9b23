"""Every combination of the registered architectures and losses, and which of them must be refused.

Nothing here lists what there is: that comes from the registry. What must be refused is computed from declarations and
from how a network behaves, not by the code that refuses.
"""

import copy
import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, get_args, get_type_hints

import torch

from ganzoo import Trainer, plugins
from ganzoo.data.arrays import table_from_arrays
from ganzoo.errors import GanzooError
from ganzoo.losses.objective import Objective
from ganzoo.losses.term import AdversarialLoss, Constraint, GeneratorTerm, LabelTrick, Penalty
from ganzoo.models.architecture import call
from ganzoo.models.condition import ConditionKind
from ganzoo.testing.training import problem_after_training

SIDE, ROWS, CLASSES, BATCH, STEPS = 16, 12, 3, 4, 3
RARELY = 10**9

# Settings that make networks tiny, for whichever architecture has them.
SMALL = {
    "latent_dim": 4,
    "base_channels": 4,
    "embedding_dim": 3,
    "head_channels": 4,
    "generator_widths": [8],
    "discriminator_widths": [8],
}
# How to make a discriminator with and without batch norm that has no setting for it; others are taken as they are.
VARIANTS = {"timm": {"batch": {"backbone": "test_resnet"}, "none": {"backbone": "test_convnext"}}}

KINDS = get_args(ConditionKind)


def own(kind):
    """Return what ganzoo itself registers, loaded, by name."""
    return {entry.name: entry.load() for entry in plugins.entries(kind) if entry.provider.namespace is None}


ARCHITECTURES = own("architecture")


def terms(kind):
    """Return one of each of ganzoo's own terms of a kind, with default arguments, by name."""
    return {name: made() for name, made in own("loss").items() if issubclass(made, kind)}


LOSSES, TRICKS, PENALTIES = terms(AdversarialLoss), terms(LabelTrick), terms(Penalty)
CONSTRAINTS, GENERATOR_TERMS = terms(Constraint), terms(GeneratorTerm)

NOTHING = {"": None}
OBJECTIVES = list(itertools.product(LOSSES, NOTHING | TRICKS, NOTHING | PENALTIES))


def spread(number):
    """Return a part of the objectives, in which any two terms meet; there are as many as penalties, and one.

    Args:
        number: Which part, counted round and round.
    """
    tricks, penalties = (list(NOTHING | found) for found in (TRICKS, PENALTIES))
    return [
        (loss, tricks[j % len(tricks)], penalties[(i + j + number) % len(penalties)])
        for i, loss in enumerate(LOSSES)
        for j in range(max(len(tricks), len(penalties)))
    ]


def objective(*names):
    """Return the sum of terms by name; an empty name adds nothing."""
    known = LOSSES | TRICKS | PENALTIES | CONSTRAINTS | GENERATOR_TERMS
    first, *others = [known[name] for name in names if name]
    return sum(others, start=Objective.of(first))


def settings_of(name):
    """Return the names of an architecture's settings."""
    return {field.name for field in fields(ARCHITECTURES[name].config_class) if field.init}


def small(*names):
    """Return the settings that make architectures tiny."""
    known = set().union(*map(settings_of, names))
    return {name: value for name, value in SMALL.items() if name in known}


def normalizations(name):
    """Return what an architecture's `discriminator_normalization` takes; nothing where there is no such setting."""
    return get_args(get_type_hints(ARCHITECTURES[name].config_class).get("discriminator_normalization"))


def variants(name):
    """Return the settings of a discriminator with batch norm and of one without normalization, by name."""
    if found := [choice for choice in ("batch", "none") if choice in normalizations(name)]:
        return {choice: {"discriminator_normalization": choice} for choice in found}
    return VARIANTS.get(name, {"default": {}})


def table(kind):
    """Return random pictures that come with a condition of a kind."""
    rng = torch.Generator().manual_seed(0)

    def pictures():
        return torch.randint(0, 256, (ROWS, 1, SIDE, SIDE), dtype=torch.uint8, generator=rng)

    samples = pictures()
    with_condition = {
        "none": {},
        "label": {"labels": torch.arange(ROWS) % CLASSES},
        "vector": {"vectors": torch.randn(ROWS, CLASSES, generator=rng)},
        "image": {"sources": pictures()},
    }
    return table_from_arrays(samples, **with_condition[kind])


TABLES = {kind: table(kind) for kind in KINDS}


@dataclass(frozen=True)
class Pairing:
    """A generator, a discriminator, and what both are conditioned on."""

    generator: str
    discriminator: str
    variant: str
    kind: str
    further: dict[str, Any] = field(default_factory=dict, hash=False)  # settings of the discriminator

    def __str__(self) -> str:
        return f"{self.generator}-{self.discriminator}-{self.variant}-{self.kind}"

    @property
    def parts_at_odds(self) -> tuple[str, ...]:
        """What a message must name where a network declares that it takes no such condition; else nothing."""
        if self.kind not in ARCHITECTURES[self.generator].kinds("generator"):
            return (self.generator, f"{TABLES[self.kind].name} has none" if self.kind == "none" else self.kind)
        if self.kind not in ARCHITECTURES[self.discriminator].kinds("discriminator"):
            return (f"the discriminator of {self.discriminator}", f"the generator of {self.generator}")
        return ()

    @property
    def can_be_built(self) -> bool:
        """Whether both networks declare that they take the condition."""
        return not self.parts_at_odds

    def trainer(self, objective, **changes):
        """Prepare a run by the architectures' names."""
        if self.generator == self.discriminator:
            arguments = {"model_args": small(self.generator) | self.further}
        else:
            arguments = {
                "model_args": small(self.generator, self.discriminator),
                "discriminator": self.discriminator,
                "discriminator_args": self.further,
            }
        conditional = None if self.kind == "none" else True
        return prepare(self.generator, objective, self.kind, conditional=conditional, **arguments | changes)

    def build(self):
        """Return fresh networks, and check that they are conditioned as they were asked to be."""
        gan = self.trainer(objective(next(iter(LOSSES)))).gan
        for name, network in gan.networks.items():
            declared = TABLES[self.kind].condition
            assert network.condition == declared, f"the {name} of {self} is conditioned on {network.condition}"
        return gan


PAIRINGS = [
    Pairing(generator, discriminator, variant, kind, further)
    for generator, discriminator in itertools.product(ARCHITECTURES, repeat=2)
    if "generator" in ARCHITECTURES[generator].networks and "discriminator" in ARCHITECTURES[discriminator].networks
    for variant, further in variants(discriminator).items()
    for kind in KINDS
]


def prepare(model, objective, kind, **changes):
    """Prepare a run of three steps that writes nothing."""
    settings = {
        "images": BATCH * STEPS,
        "batch_size": BATCH,
        "precision": "fp32",
        "device": "cpu",
        "log_every_images": RARELY,
        "sample_every_images": RARELY,
        "checkpoint_every_images": RARELY,
        "progress": False,
    }
    return Trainer(model, objective, TABLES[kind], **settings | changes)


def train(run):
    """Train a prepared run, and return what is wrong with its networks; an empty string if nothing is."""
    problem = problem_after_training(run)
    assert run.images == BATCH * STEPS
    return problem


def refusal(make):
    """Return the message with which something is refused, and what it made otherwise."""
    try:
        return None, make()
    except GanzooError as error:
        return str(error), None


def is_one_sentence(message):
    """Tell whether a message is one sentence on one line."""
    return "\n" not in message and ". " not in message and not message.endswith(".")


def mixes_samples(discriminator, kind):
    """Tell whether a sample's logit in train mode depends on what else is in the batch, as it does with batch norm."""
    batch = TABLES[kind].batch(torch.arange(BATCH))
    condition = batch.condition
    if condition is not None and condition.is_floating_point():
        condition = condition.double()

    def first_logit(samples):
        fresh = copy.deepcopy(discriminator).double().train()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            return call(fresh, samples, condition)[0]

    samples = batch.sample.double()
    others = torch.cat([samples[:1], -samples[1:]])
    return not torch.allclose(first_logit(samples), first_logit(others), rtol=1e-9, atol=1e-12)


@contextmanager
def noted(*what):
    """Say in the traceback of an error what was being tried."""
    try:
        yield
    except Exception as error:
        error.add_note(f"with {' '.join(filter(None, map(str, what)))}")
        raise
