"""What must be true of each kind of term."""

import itertools
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from ganzoo.errors import ConformanceError, ObjectiveError
from ganzoo.losses.term import AdversarialLoss, Constraint, GeneratorTerm, LabelTrick, Penalty, Term
from ganzoo.models.architecture import Condition
from ganzoo.testing.cases import Case
from ganzoo.testing.checks import require
from ganzoo.testing.losses import SHAPES, LossSubject
from ganzoo.testing.training import LinearDiscriminator

LARGE = 80.0  # a logit of a discriminator that is sure
SAMPLE_SHAPES = ((2,), (1, 16), (1, 8, 8))


def _scalar(value: object, what: str) -> Tensor:
    """Return a loss that is one finite number."""
    if not isinstance(value, Tensor):
        raise ConformanceError(f"{what} is a {type(value).__name__}; it takes a tensor with one number")
    require(value.dim() == 0, f"{what} has shape {tuple(value.shape)}; it takes one number, such as a mean")
    require(bool(value.isfinite()), f"{what} is {value.item()}, which is not finite")
    return value


def large_logits(subject: LossSubject) -> None:
    """Values and gradients are finite up to logits of 80, for logits of samples and of patches."""
    loss: AdversarialLoss = subject.build()
    for shape, real_logit, fake_logit in itertools.product(SHAPES, (-LARGE, 0.0, LARGE), (-LARGE, 0.0, LARGE)):
        where = f"at real logits of {real_logit:g} and fake ones of {fake_logit:g}"
        real, fake = (torch.full(shape, value, requires_grad=True) for value in (real_logit, fake_logit))
        torch.autograd.backward(_scalar(loss.discriminator(real, fake), f"the discriminator's loss {where}"))
        _check_gradients((real, fake), f"the gradient of the discriminator's loss {where}")
        fake.grad = None
        given = real.detach() if loss.generator_needs_real else None
        torch.autograd.backward(_scalar(loss.generator(fake, given), f"the generator's loss {where}"))
        _check_gradients((fake,), f"the gradient of the generator's loss {where}")


def _check_gradients(tensors: Iterable[Tensor], what: str) -> None:
    for tensor in tensors:
        require(tensor.grad is None or bool(tensor.grad.isfinite().all()), f"{what} is not finite")


def direction(subject: LossSubject) -> None:
    """Logits are high on real samples: the discriminator pulls the two apart, and the generator pulls fakes up."""
    loss: AdversarialLoss = subject.build()
    real, fake = (torch.zeros(6, requires_grad=True) for _ in range(2))
    torch.autograd.backward(loss.discriminator(real, fake))
    pulls = [torch.zeros(6) if logits.grad is None else logits.grad for logits in (real, fake)]
    require(
        bool((pulls[0] - pulls[1]).mean() < 0),
        "its discriminator does not learn to give real samples higher logits than fakes; logits are high on real ones",
    )
    fake.grad = None
    torch.autograd.backward(loss.generator(fake, real.detach() if loss.generator_needs_real else None))
    require(
        fake.grad is not None and bool(fake.grad.mean() < 0),
        "its generator does not learn to raise the logits of its samples, which are high on real ones",
    )


def targets_of_labels(subject: LossSubject) -> None:
    """With `binary_targets`, targets change the discriminator's loss and broadcast over patches."""
    loss: AdversarialLoss = subject.build()
    if not loss.binary_targets:
        return
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(SHAPES[1], generator=rng) for _ in range(2))
    per_sample = torch.linspace(0.5, 0.9, 6).reshape(6, 1, 1, 1)
    smoothed = loss.discriminator(real, fake, per_sample, 1 - per_sample)
    spread = loss.discriminator(real, fake, per_sample.expand(SHAPES[1]), (1 - per_sample).expand(SHAPES[1]))
    require(
        not torch.equal(smoothed, loss.discriminator(real, fake)),
        "it declares binary_targets, and targets change nothing; use them, or declare binary_targets = False",
    )
    require(
        torch.allclose(smoothed, spread, rtol=1e-4),
        "one target a sample gives another loss than that target for each of its patches; let targets broadcast",
    )


def targets_of_trick(subject: LossSubject) -> None:
    """Targets are finite, from 0 up, one a sample, on average as declared, and never make a loss unbounded."""
    trick: LabelTrick = subject.build()
    rng = torch.Generator().manual_seed(0)
    for shape in (torch.Size([6]), torch.Size([6, 1, 1, 1])):
        for found, whose in zip(trick.targets(shape, rng), ("real", "fake"), strict=True):
            require(
                isinstance(found, Tensor) and found.shape == shape and found.is_floating_point(),
                f"its targets of {whose} samples have shape {tuple(getattr(found, 'shape', ()))}; expected "
                f"{tuple(shape)}",
            )
    real, fake = trick.targets(torch.Size([10_000]), rng)
    require(bool((real >= 0).all() and (fake >= 0).all()), "it gives targets below 0; they are probabilities")
    declared, drawn = trick.mean_real_target, real.mean().item()
    require(
        math.isclose(declared, drawn, abs_tol=0.05),
        f"it declares a mean_real_target of {declared:g}, and the mean of 10,000 is {drawn:.3g}",
    )


def penalty_of_samples(subject: LossSubject) -> None:
    """A penalty is a finite number for samples of any shape, and its gradient reaches the discriminator."""
    penalty: Penalty = subject.build()
    require(type(penalty.every) is int and penalty.every >= 1, f"every is {penalty.every!r}; it takes 1 or more")
    for shape in SAMPLE_SHAPES:
        case = Case(shape, Condition())
        network = LinearDiscriminator(case)
        real, fake = case.samples(seed=0), case.samples(seed=1)
        value = penalty.penalty(network, real, fake, torch.Generator().manual_seed(0))
        _scalar(value, f"the penalty on samples of shape {shape}")
        require(value.requires_grad, "the penalty has no gradient; differentiate with create_graph=True")
        torch.autograd.backward(value)
        reached = [each.grad for each in network.parameters() if each.grad is not None]
        require(any(bool(each.any()) for each in reached), "the penalty's gradient does not reach the discriminator")
        _check_gradients(network.parameters(), "the gradient of the penalty")
        require(real.grad is None and fake.grad is None, "the penalty calls backward; return its value alone")


def constraint_of_weights(subject: LossSubject) -> None:
    """A constraint changes parameters in place, by finite values, and nothing else about the discriminator."""
    constraint: Constraint = subject.build()
    network: nn.Module = LinearDiscriminator(Case((1, 8, 8), Condition()))
    before = {name: (id(each), each.shape, each.requires_grad) for name, each in network.named_parameters()}
    constraint.apply(network)
    after = {name: (id(each), each.shape, each.requires_grad) for name, each in network.named_parameters()}
    require(before == after, "it replaces parameters, and the optimizer holds the old ones; change them in place")
    finite = all(bool(each.isfinite().all()) for each in network.parameters())
    require(finite, "it makes parameters that are not finite")


def value_of_samples(subject: LossSubject) -> None:
    """A generator term is a finite number for samples that it does not refuse, and its gradient reaches the fakes."""
    term: GeneratorTerm = subject.build()
    refusals = []
    for shape in SAMPLE_SHAPES:
        case = Case(shape, Condition())
        network = LinearDiscriminator(case).requires_grad_(False)
        real, fake, target = case.samples(seed=0), case.samples(seed=1).requires_grad_(), case.samples(seed=2)
        try:
            value = term.value(fake, real, target if term.paired else None, None, network.features)
        except ObjectiveError as error:
            refusals.append(f"{shape}: {error}")
            continue
        torch.autograd.backward(_scalar(value, f"its value for samples of shape {shape}"))
        require(fake.grad is not None and bool(fake.grad.any()), "no gradient passes through it to the fakes")
        _check_gradients((fake,), "its gradient at the fakes")
    require(
        len(refusals) < len(SAMPLE_SHAPES), f"it is refused for all samples that were tried ({'; '.join(refusals)})"
    )


OF_KIND: dict[type[Term], tuple[Callable[[LossSubject], None], ...]] = {
    AdversarialLoss: (large_logits, direction, targets_of_labels),
    LabelTrick: (targets_of_trick,),
    Penalty: (penalty_of_samples,),
    Constraint: (constraint_of_weights,),
    GeneratorTerm: (value_of_samples,),
}


def contract(subject: LossSubject) -> None:
    """What its kind promises."""
    for function in OF_KIND[subject.kind]:
        function(subject)
