"""What must be true of an architecture as a whole: its config, its seeds, and what is saved and loaded."""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo import plugins, zoo
from ganzoo.config import ModelConfig, build_config
from ganzoo.errors import ConfigError, ConformanceError
from ganzoo.gan import GAN
from ganzoo.models.condition import condition_of
from ganzoo.plugin_loader import BUILT_IN_DISTRIBUTION
from ganzoo.testing.cases import Case, Subject, output
from ganzoo.testing.checks import require

ROUNDED = 0.2  # by how much bfloat16, which has three decimal digits, may change an output, relative to its size


def config(subject: Subject) -> None:
    """The config is a frozen keyword-only dataclass; what config.json says of it builds an equal one."""
    config_class, owner = subject.architecture.config_class, subject.entry.full_name
    require(
        config_class.__dataclass_params__.frozen and all(field.kw_only for field in fields(config_class)),
        f"its config {config_class.__name__} can be changed or takes positions; use "
        "@dataclass(frozen=True, kw_only=True)",
    )
    known = [field.name for field in fields(config_class)]
    for network, case in _cases(subject):
        built = build_config(config_class, subject.arguments(case), owner)
        try:
            args = json.loads(json.dumps(asdict(built), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ConformanceError(
                f"its config for {case} holds what JSON cannot ({error}); use plain values"
            ) from error
        try:
            again = build_config(config_class, args, owner)
        except ConfigError as error:
            raise ConformanceError(f"its config for {case} is refused when it is read back: {error}") from error
        changed = [name for name in known if getattr(again, name) != getattr(built, name)]
        require(
            not changed and again == built,
            f"its config for {case} reads back as another one: "
            + ", ".join(f"{name} was {getattr(built, name)!r} and is {getattr(again, name)!r}" for name in changed)
            + "; leave fields as they were given, and derive from them in properties",
        )
        sizes = [_sizes(subject.architecture.networks[network](each)) for each in (built, again)]
        require(sizes[0] == sizes[1], f"its {network} has other parameters when its config is read back, for {case}")


def _cases(subject: Subject) -> Iterable[tuple[str, Case]]:
    return ((name, case) for name, cases in subject.cases.items() for case in cases)


def _sizes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def seeds(subject: Subject) -> None:
    """Fresh weights depend on torch's seed and nothing else; in eval mode the same input gives the same output."""
    for name, case in [(network, case) for network in subject.cases for case in subject.few(network)]:
        first, again, other = (subject.build(name, case, seed).state_dict() for seed in (0, 0, 1))
        changed = [key for key, value in first.items() if not torch.equal(value, again[key])]
        require(
            not changed, f"one seed gives two different {changed[:1]} of its {name}; draw from torch's generator alone"
        )
        # Some weights are the same for every seed, such as those of normalizations.
        drawn = any(not torch.equal(value, other[key]) for key, value in first.items())
        require(drawn or not first, f"two seeds give the same weights of its {name}; draw them from torch's generator")
        if not name.startswith(("generator", "discriminator")):
            continue
        network = subject.build(name, case).eval()
        results = []
        for seed in (0, 1):
            torch.default_generator.manual_seed(seed)
            with torch.no_grad():
                results.append(output(network, name, case))
        require(
            torch.equal(*results),
            f"for {case}, in eval mode, its {name} gives two outputs for one input; leave out what is random there, or "
            "draw it with ganzoo.models.noise",
        )


def save_and_load(subject: Subject) -> None:
    """A saved model is loaded with the same config, and gives the same outputs to the bit."""
    role = "generator" if "generator" in subject.architecture.networks else "discriminator"
    for case in subject.few(role):
        gan = _whole_model(subject, role, case)
        if gan is None:
            continue
        with torch.no_grad():
            for name, network in gan.networks.items():
                _leave_the_beginning(network, name, _case_of(network))
        before = _outputs(gan, subject)
        with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
            gan.save_pretrained(folder)
            torch.default_generator.manual_seed(1)
            loaded = zoo.load(Path(folder), discriminator="discriminator" in gan.networks)
        for name, described in loaded.config.networks.items():
            expected = gan.config.networks[name]
            require(
                (described.architecture, described.args) == (expected.architecture, expected.args),
                f"its {name} is described otherwise once it is saved and loaded: {described.args} for {expected.args}",
            )
        after = _outputs(loaded, subject)
        for name, value in before.items():
            require(
                torch.equal(value, after[name]),
                f"for {case}, its {name} gives something else once it is saved and loaded, though every saved tensor "
                "is back; save what it draws when it is built, as a parameter or a buffer",
            )
        text = gan.config.to_json("0")
        require(ModelConfig.from_json(text) == gan.config, "its config.json reads back as another one")


def _whole_model(subject: Subject, role: str, case: Case) -> GAN | None:
    """Return a model that can be saved; a discriminator alone goes with the first of ganzoo's generators that fits."""
    name = subject.entry.full_name
    torch.default_generator.manual_seed(0)
    if role == "generator":
        own: dict[str, Any] = dict(subject.settings)
        return zoo.create_model_for(name, case.sample_shape, case.condition, **own)
    for entry in plugins.entries("architecture", provider=BUILT_IN_DISTRIBUTION):
        architecture = zoo.architecture_of(entry)
        if "generator" in architecture.networks and case.condition.kind in architecture.kinds("generator"):
            try:
                return zoo.create_model_for(
                    entry.full_name,
                    case.sample_shape,
                    case.condition,
                    discriminator=name,
                    discriminator_args=subject.settings,
                )
            except ConfigError:  # it makes no samples of this shape
                continue
    return None


def _leave_the_beginning(network: nn.Module, name: str, case: Case) -> None:
    """Run a network in train mode, so that its running statistics are no longer those of a new one."""
    output(network.train(), name, case)
    network.eval()


def _case_of(network: nn.Module) -> Case:
    """Return the case that a network declares."""
    return Case(tuple(network.sample_shape), condition_of(network))  # type: ignore[arg-type]


def _outputs(gan: GAN, subject: Subject) -> dict[str, Tensor]:
    """Return what the networks of the architecture give in eval mode."""
    with torch.no_grad():
        return {
            name: output(network.eval(), name, _case_of(network))
            for name, network in gan.networks.items()
            if name in subject.architecture.networks and name.startswith(("generator", "discriminator"))
        }


def bfloat16(subject: Subject) -> None:
    """Under bfloat16 autocast, outputs are finite and near those in float32, and gradients are finite."""
    for role in ("generator", "discriminator"):
        for name, case in subject.each(role):
            network = subject.build(name, case).eval()  # dropout would differ
            exact = output(network, name, case).detach()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                rounded = output(network, name, case).float()
            torch.autograd.backward(rounded.square().sum())
            difference = (exact - rounded.detach()).abs().max().item()
            require(
                difference < ROUNDED * max(1.0, exact.abs().max().item()),  # false for NaN too
                f"for {case}, under bfloat16 autocast, its {name} is off by {difference:.2g}; compute in float32 what "
                "loses that much",
            )
            finite = all(each.grad is None or bool(each.grad.isfinite().all()) for each in network.parameters())
            require(finite, f"for {case}, under bfloat16 autocast, a gradient of its {name} is not finite")
