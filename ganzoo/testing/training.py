"""Training for three steps: an architecture with every loss that goes with it, and what three steps must do."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo import plugins, zoo
from ganzoo.errors import ConfigError, ConformanceError, ObjectiveError
from ganzoo.gan import GAN
from ganzoo.losses.objective import Objective
from ganzoo.losses.parsing import build_term
from ganzoo.losses.term import AdversarialLoss, Term
from ganzoo.models.architecture import Condition, Discriminator, Generator
from ganzoo.plugin_loader import BUILT_IN_DISTRIBUTION
from ganzoo.registry import Entry
from ganzoo.testing.cases import BATCH, Case, Subject
from ganzoo.testing.checks import require
from ganzoo.training.step import AdversarialStep
from ganzoo.training.trainer import Trainer

STEPS = 3
RARELY = 10**9  # an interval in images that no run reaches
ANY_LOSS = "non_saturating"  # what a term that is no adversarial loss is tried with: it takes all of them


class LinearGenerator(Generator):
    """What a discriminator that comes alone is trained with: one layer, for any samples and any condition."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.latent_dim, self.sample_shape, self.condition = 2, case.sample_shape, case.condition
        example = torch.zeros(1, *case.sample_shape)
        self.project = nn.Linear(2 + _as_row(case.conditions(1), case.condition).shape[1], example.numel())

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map latents (N, 2) and conditions to samples (N, *sample_shape)."""
        rows = torch.cat([latent, _as_row(condition, self.condition).to(latent).expand(len(latent), -1)], dim=1)
        samples: Tensor = self.project(rows).tanh().unflatten(1, self.sample_shape)
        return samples


class LinearDiscriminator(Discriminator):
    """What a generator that comes alone is trained with: one hidden layer, for any samples, told no condition."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.sample_shape = case.sample_shape
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(torch.zeros(case.sample_shape).numel(), 8), nn.LeakyReLU())
        self.output = nn.Linear(8, 1)

    def features(self, sample: Tensor, condition: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the hidden layer (N, 8)."""
        return (self.hidden(sample),)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map samples (N, *sample_shape) to logits (N,)."""
        logits: Tensor = self.output(self.hidden(sample))
        return logits.squeeze(1)


def _as_row(condition: Tensor | None, declared: Condition) -> Tensor:
    """Return conditions as rows (N, K), one-hot for labels; (1, 0) for no condition."""
    if condition is None:
        return torch.zeros(1, 0)
    if declared.kind == "label":
        return torch.eye(declared.num_classes, device=condition.device)[condition]
    return condition.flatten(1)


def prepared(model: GAN | str, objective: Objective | str, case: Case, **changes: Any) -> Trainer:
    """Prepare a run of three steps that writes nothing."""
    settings: dict[str, Any] = {
        "images": BATCH * STEPS,
        "batch_size": BATCH,
        "precision": "fp32",
        "device": "cpu",
        "log_every_images": RARELY,
        "sample_every_images": RARELY,
        "checkpoint_every_images": RARELY,
        "progress": False,
    }
    return Trainer(model, objective, case.table(), **settings | changes)


def problem_after_training(run: Trainer) -> str:
    """Train a prepared run, and return what is wrong with its networks; an empty string if nothing is."""
    before = {name: copy.deepcopy(network.state_dict()) for name, network in run.gan.networks.items()}
    run.fit()
    for name, network in run.gan.networks.items():
        if spoiled := [key for key, value in network.state_dict().items() if not value.isfinite().all()]:
            return f"{name}: not finite: {', '.join(spoiled)}"
        # A bias may rightly stay: before a normalization, or where a loss sees differences of logits alone.
        learning = {key: each for key, each in network.named_parameters() if each.dim() > 1 and each.requires_grad}
        if same := [key for key, value in learning.items() if torch.equal(value, before[name][key])]:
            return f"{name}: unchanged: {', '.join(same)}"
    return ""


def objectives(provider: str) -> dict[str, Objective]:
    """Return an objective for each term of ganzoo and of a distribution, by the term's full name.

    A term that cannot be built without arguments is left out; `check_loss` takes them.
    """
    known: dict[str, Entry] = {
        entry.full_name: entry
        for each in (BUILT_IN_DISTRIBUTION, provider)
        for entry in plugins.entries("loss", provider=each)
    }
    found = {}
    for name in known:
        try:
            term = build_term(name)
        except ConfigError:
            continue
        found[name] = objective_with(term)
    return found


def objective_with(term: Term) -> Objective:
    """Return a term as an objective, with an adversarial loss if it is none."""
    return Objective.of(term) if isinstance(term, AdversarialLoss) else build_term(ANY_LOSS) + term


def training(subject: Subject) -> None:
    """Three steps with every loss that is not refused change every weight and leave all finite.

    An architecture with a step of its own takes these; and what the step keeps, another takes back.
    """
    known = objectives(subject.entry.provider.distribution)
    for case in _training_cases(subject):
        gan = _trainable(subject, case)
        for name, objective in known.items():
            _train(gan, objective, case, name)
        _train(gan, known[ANY_LOSS], case, f"{ANY_LOSS} in bf16", precision="bf16")
        if subject.architecture.step is not None:
            _check_state(gan, known[ANY_LOSS], case)


def _training_cases(subject: Subject) -> list[Case]:
    """Return the smallest case for each kind of condition, one for both networks where there is one."""
    generators, discriminators = (subject.cases.get(role, []) for role in ("generator", "discriminator"))
    smallest: dict[str, Case] = {}
    for case in (*(case for case in generators if case in discriminators), *generators, *discriminators):
        smallest.setdefault(case.condition.kind, case)
    return list(smallest.values())


def _trainable(subject: Subject, case: Case) -> GAN:
    """Return the architecture's networks, with a plain one in place of what it cannot build for a case.

    One with a step of its own is trained by that step, with all of its networks.
    """
    if subject.architecture.step is not None and case in subject.cases.get("generator", []):
        settings: dict[str, Any] = dict(subject.settings)
        torch.default_generator.manual_seed(0)
        return zoo.create_model_for(subject.entry.full_name, case.sample_shape, case.condition, **settings)
    is_built = {role: case in subject.cases.get(role, []) for role in ("generator", "discriminator")}
    return GAN(
        generator=subject.build("generator", case) if is_built["generator"] else LinearGenerator(case),
        discriminator=subject.build("discriminator", case) if is_built["discriminator"] else LinearDiscriminator(case),
    )


def _train(gan: GAN, objective: Objective, case: Case, name: str, **changes: Any) -> None:
    try:
        run = prepared(copy.deepcopy(gan), objective, case, **changes)
    except ObjectiveError as refusal:
        if len(objective.parts) == 1:
            raise ConformanceError(f"for {case}, it is refused with the loss {name!r} alone: {refusal}") from refusal
        return  # such as a gradient penalty with batch norm
    try:
        problem = problem_after_training(run)
    except Exception as error:
        raise ConformanceError(f"for {case}, training with {name!r} met a {type(error).__name__} ({error})") from error
    require(not problem, f"for {case}, after {STEPS} steps with {name!r}: {problem}")


def _check_state(gan: GAN, objective: Objective, case: Case) -> None:
    """Give what a step keeps after training to a fresh one, as a resumed run does; with an augmentation that learns."""
    pictures = len(case.sample_shape) == 3 and hasattr(prepared(copy.deepcopy(gan), objective, case).step, "augmenter")
    changes = {"augment": "ada(p=0.5, rise=100, every=1)"} if pictures else {}
    trained, fresh = (prepared(copy.deepcopy(gan), objective, case, **changes) for _ in range(2))
    trained.fit()
    kept = {key: value.clone() for key, value in trained.step.state_dict().items()}
    if isinstance(trained.step, AdversarialStep):
        learned = sorted(trained.step.augmenter.state_dict().keys() - kept.keys())
        require(
            not learned,
            f"for {case}, its step does not keep {learned[:1]}, which the augmentation has learned; call "
            "super().state_dict() and super().load_state_dict(state)",
        )
    fresh.step.load_state_dict(kept)
    found = fresh.step.state_dict()
    lost = sorted(kept.keys() ^ found.keys())
    lost += [key for key in kept.keys() & found.keys() if not torch.equal(kept[key], found[key])]
    require(
        not lost,
        f"for {case}, its step keeps {lost[:1]}, and a fresh one that is given it by load_state_dict has another; give "
        "and take all that later steps depend on",
    )
