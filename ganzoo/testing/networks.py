"""What must be true of an architecture's networks, whatever their weights."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganzoo.errors import ConformanceError, ObjectiveError
from ganzoo.models.architecture import Condition, Discriminator, call, call_features
from ganzoo.models.condition import condition_of, takes_any_size
from ganzoo.models.roles import Role, lower_layers, tensor_roles
from ganzoo.testing.cases import BATCH, Case, Subject, inputs, output
from ganzoo.testing.checks import require

ROUNDING = 1e-3  # by how far samples may leave [-1, 1]
FAR = 1.5  # a logit that no sigmoid or tanh gives
MOST_STEPS, RATE = 100, 0.03  # with which a network is taught to leave its range, if it can


def declarations(subject: Subject) -> None:
    """Networks declare the sample shape and the condition they were built for, and generators their latents."""
    for name, cases in subject.cases.items():
        for case in cases:
            network = subject.build(name, case)
            shape, found = getattr(network, "sample_shape", None), condition_of(network)
            require(
                shape is not None and tuple(shape) == case.sample_shape,
                f"its {name}, built for {case}, declares the sample_shape {shape}",
            )
            require(
                found == case.condition,
                f"its {name}, built for {case}, declares to be conditioned on {found}; set self.condition",
            )
            latent = getattr(network, "latent_dim", None)
            require(
                not name.startswith("generator") or (type(latent) is int and latent >= 0),
                f"its {name} declares the latent_dim {latent!r}; it takes a whole number, 0 for no latent",
            )


def shapes(subject: Subject) -> None:
    """Samples are (N, *sample_shape) in [-1, 1]; logits are (N,) or (N, 1, h, w); both finite, in both modes."""
    for name, cases in subject.cases.items():
        if not name.startswith(("generator", "discriminator")):
            continue
        for case in cases:
            network = subject.build(name, case)
            for training in (True, False):
                network.train(training)
                with torch.no_grad():
                    found = output(network, name, case)
                what = f"for {case}, in {'train' if training else 'eval'} mode, its {name} gives"
                _check_shape(found, name, case, what)
                require(bool(found.isfinite().all()), f"{what} values that are not finite")
                if name.startswith("generator"):
                    _check_range(found, what)


def any_size(subject: Subject) -> None:
    """A generator that says it takes any size makes samples of other images too, as much larger or smaller."""
    for name, case in subject.each("generator"):
        network = subject.build(name, case).eval()
        if not takes_any_size(network):
            continue
        channels, height, width = case.condition.shape
        for h, w in ((height, width + 3), (height + 2, width), (2 * height, 3 * width)):
            images = Case(case.sample_shape, Condition.image((channels, h, w))).conditions()
            with torch.no_grad():
                found = tuple(call(network, inputs(network, name, case), images).shape)
            own, (_, full_height, full_width) = case.sample_shape[0], case.sample_shape
            expected = (BATCH, own, h * full_height // height, w * full_width // width)
            require(
                found == expected,
                f"for {case}, its {name} takes_any_size, and makes samples of shape {found} of images of {h}x{w}; "
                f"expected {expected}",
            )


def _check_shape(found: Tensor, name: str, case: Case, what: str) -> None:
    shape = tuple(found.shape)
    if name.startswith("generator"):
        require(
            shape == (BATCH, *case.sample_shape),
            f"{what} samples of shape {shape} for {BATCH} latents; expected {(BATCH, *case.sample_shape)}",
        )
    else:
        fitting = shape == (BATCH,) or (len(shape) == 4 and shape[:2] == (BATCH, 1))
        require(
            fitting, f"{what} logits of shape {shape} for {BATCH} samples; expected ({BATCH},) or ({BATCH}, 1, h, w)"
        )


def _check_range(samples: Tensor, what: str) -> None:
    low, high = (end.item() for end in samples.aminmax())
    require(
        low >= -1 - ROUNDING and high <= 1 + ROUNDING,
        f"{what} samples from {low:.3g} to {high:.3g}; they lie in [-1, 1], as after tanh",
    )


def _teach(network: nn.Module, loss: Callable[[], Tensor], goal: float = -math.inf, steps: int = MOST_STEPS) -> None:
    """Descend a loss until it is below a goal, or for so many steps."""
    optimizer = torch.optim.Adam([each for each in network.parameters() if each.requires_grad], lr=RATE)
    for _ in range(steps):
        value = loss()
        if value < goal:
            return
        optimizer.zero_grad()
        torch.autograd.backward(value)
        optimizer.step()


def bounded_samples(subject: Subject) -> None:
    """A generator that is taught to leave [-1, 1] cannot."""
    for name, case in subject.each("generator"):
        for beyond in (2.0, -2.0):
            _teach_to_leave(subject.build(name, case).eval(), name, case, beyond)


def _teach_to_leave(network: nn.Module, name: str, case: Case, beyond: float) -> None:
    def distance() -> Tensor:
        samples = output(network, name, case)
        _check_range(samples.detach(), f"after some training, its {name} gives")
        return (samples - beyond).square().mean()

    _teach(network, distance, goal=1.01)  # at the bound it is 1


def unbounded_logits(subject: Subject) -> None:
    """A discriminator's logits can be learned to be large and to be small, as they cannot after a sigmoid."""
    for name, case in subject.each("discriminator"):
        for aim in (FAR, -FAR):
            reached = _teach_to_reach(subject.build(name, case).eval(), name, case, aim)
            require(
                (reached[-1] - aim) * aim > 0,
                f"its {name}'s logits stay between {min(reached):.3g} and {max(reached):.3g} when they are taught to "
                f"reach {aim}; give logits as they are, without a sigmoid or any other bound",
            )


def _teach_to_reach(network: nn.Module, name: str, case: Case, aim: float) -> list[float]:
    """Teach a discriminator a mean logit, and return the means on the way to it."""
    reached: list[float] = []

    def missing() -> Tensor:
        mean = output(network, name, case).mean()
        reached.append(mean.item())
        return (aim - mean) * (1 if aim > 0 else -1)

    _teach(network, missing, goal=0)
    return reached


def gradients(subject: Subject) -> None:
    """Every parameter that learns gets a finite gradient, and samples get one that is not 0."""
    for role in ("generator", "discriminator"):
        for name, case in subject.each(role):
            network = subject.build(name, case).train()
            given = inputs(network, name, case)
            if given is not None:
                given.requires_grad_()
            result = call(network, given, case.conditions())
            # Random directions: some normalizations leave a plain sum without any gradient.
            torch.autograd.backward((result * torch.randn_like(result)).sum())
            for key, parameter in network.named_parameters():
                if parameter.requires_grad:
                    require(
                        parameter.grad is not None,
                        f"the parameter {key!r} of its {name} takes no part in what it gives; leave it out, or "
                        "freeze it",
                    )
                    require(
                        parameter.grad is not None and bool(parameter.grad.isfinite().all()),
                        f"the gradient at {key!r} of its {name} is not finite",
                    )
            if given is not None:
                gradient = torch.zeros(()) if given.grad is None else given.grad
                what = "latents" if role == "generator" else "samples"
                require(bool(gradient.isfinite().all()), f"the gradient of its {name} at {what} is not finite")
                require(bool(gradient.any()), f"no gradient passes through its {name} to the {what}")


def features(subject: Subject) -> None:
    """A discriminator with `features` gives a tuple of finite tensors, each with one row a sample."""
    for name, case in subject.each("discriminator"):
        network = subject.build(name, case).eval()
        if not isinstance(network, Discriminator) and not callable(getattr(network, "features", None)):
            continue
        try:
            with torch.no_grad():
                found = call_features(network, case.samples(), case.conditions())
        except NotImplementedError as error:
            raise ConformanceError(
                f"its {name} is a Discriminator without the method features; give its hidden tensors, shallow to deep"
            ) from error
        except ObjectiveError as error:
            raise ConformanceError(f"of its {name}, {error}") from error
        require(bool(found), f"features of its {name} gives an empty tuple; expected a tensor for each layer")
        for each in found:
            require(
                each.dim() >= 2 and len(each) == BATCH and bool(each.isfinite().all()),
                f"features of its {name} gives a tensor of shape {tuple(each.shape)} for {BATCH} samples; expected "
                f"({BATCH}, ...), finite",
            )


def what_finetuning_asks(subject: Subject) -> None:
    """`lower_layers` are modules of the network that hold parameters, once each; `tensor_roles` fit its tensors."""
    for name, cases in subject.cases.items():
        for case in cases:
            network = subject.build(name, case)
            state = network.state_dict()
            try:
                roles = tensor_roles(network)
                declared: dict[str, Role] = getattr(network, "tensor_roles", dict)()
            except Exception as error:
                raise ConformanceError(f"tensor_roles of its {name} fails for {case}: {error}") from error
            unknown = sorted(set(declared) - set(state))
            require(not unknown, f"tensor_roles of its {name} names {unknown[:1]}, and it has no such tensor")
            names = [role.name for role in roles.values()]
            twice = sorted({each for each in names if names.count(each) > 1})
            require(not twice, f"tensor_roles of its {name} gives the role {twice[:1]} to several tensors")
            for key, role in roles.items():
                length = sum(math.prod(shape) for shape in role.parts.values())
                axes = state[key].shape
                require(
                    not role.parts or (role.axis < len(axes) and length == axes[role.axis]),
                    f"tensor_roles of its {name}, for {case}, says that axis {role.axis} of {key!r} has {length} "
                    f"values, and its shape is {tuple(axes)}",
                )
            if name.startswith("discriminator"):
                _check_lower_layers(network, name)


def _check_lower_layers(network: nn.Module, name: str) -> None:
    own, seen = {id(parameter) for parameter in network.parameters()}, set[int]()
    for layer in lower_layers(network):
        found = {id(parameter) for parameter in layer.parameters()}
        require(bool(found), f"lower_layers of its {name} gives a layer without parameters; leave it out")
        require(found <= own, f"lower_layers of its {name} gives a layer that is no part of it")
        require(not found & seen, f"lower_layers of its {name} gives a parameter twice")
        seen |= found
    require(seen != own, f"lower_layers of its {name} gives all of it; leave out what makes the logits")


def single_samples(subject: Subject) -> None:
    """In eval mode, a sample comes out the same alone and in a batch."""
    for role in ("generator", "discriminator"):
        for name, case in subject.each(role):
            network = subject.build(name, case).eval()
            given, conditions = inputs(network, name, case), case.conditions()

            def row(values: Tensor | None, number: int) -> Tensor | None:
                return None if values is None else values[number : number + 1]

            if given is None and conditions is None:
                raise ConformanceError(f"its {name} takes neither a latent nor a condition, so all samples are one")
            with torch.no_grad():
                together = call(network, given, conditions)
                alone = [call(network, row(given, k), row(conditions, k)) for k in range(BATCH)]
            difference = (together - torch.cat(alone)).abs().max().item()
            require(
                difference <= 1e-4 * max(1.0, together.abs().max().item()),
                f"for {case}, in eval mode, its {name} gives a sample of its own in a batch of {BATCH}, different by "
                f"up to {difference:.2g} from the one it gives alone; nothing may pass from sample to sample",
            )


def what_it_depends_on(subject: Subject) -> None:
    """What a network gives depends on its latent or sample, and on the condition it declares."""
    for role in ("generator", "discriminator"):
        for name, case in subject.each(role):
            network = subject.build(name, case)
            first, other = (inputs(network, name, case, seed=seed) for seed in (0, 1))
            own, swapped = case.conditions(), case.conditions(seed=1)
            what = "latents" if role == "generator" else "samples"
            if first is not None:
                require(_differs(network, (first, own), (other, own)), f"for {case}, its {name} ignores the {what}")
            if own is not None:
                require(
                    _differs(network, (first, own), (first, swapped)),
                    f"for {case}, its {name} ignores the condition; use it, or declare none",
                )


def _differs(
    network: nn.Module, first: tuple[Tensor | None, Tensor | None], other: tuple[Tensor | None, Tensor | None]
) -> bool:
    """Tell whether a network tells two inputs apart, now or after a few steps (a gate may begin at 0)."""

    def apart() -> bool:
        with torch.no_grad():
            return not torch.equal(call(network.eval(), *first), call(network.eval(), *other))

    if apart():
        return True
    directions = [torch.randn_like(call(network.eval(), *given)) for given in (first, other)]

    def loss() -> Tensor:
        results = [call(network, *given) for given in (first, other)]
        return sum(((a * b).mean() for a, b in zip(results, directions, strict=True)), start=torch.zeros(()))

    _teach(network, loss, steps=5)
    return apart()
