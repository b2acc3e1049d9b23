"""Which tensors of a pretrained network another one takes over: decided tensor by tensor, and copied strictly."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo import weights
from ganzoo.augmentations.augmentation import colours
from ganzoo.models.roles import CHANNELS, CLASSES, SOURCE, Role, tensor_roles

Kind = Literal["kept", "fitted", "kept in part", "new"]

Outcome = tuple[Kind, Tensor, int, str]  # of one tensor: what becomes of it, its values, how many are new, and why

MOST_LINES = 12  # tensors of a network that are told by name, unless all are asked for


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The names of a model's classes and those of the data, so that a class is found again by its name."""

    before: Sequence[str] = ()
    after: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of one tensor.

    Attributes:
        name: The tensor's name in the network.
        kind: `"kept"`: all its values are the pretrained network's, to the bit. `"fitted"`: they are computed from
            these, for another number of channels. `"kept in part"`: some of them are kept or fitted, the others new.
            `"new"`: they are drawn as for an untrained network.
        values: The tensor.
        is_parameter: It is learned, and no statistic or other buffer.
        new: How many of its values are new.
        reason: Why it is not kept, or what was done.
    """

    name: str
    kind: Kind
    values: Tensor = field(repr=False)
    is_parameter: bool
    new: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What one network takes over from a pretrained one.

    Attributes:
        network: Its name, such as `"generator"`.
        decisions: One for each parameter and buffer, in the network's order.
        left: The names of the pretrained network's tensors that have no place in it.
        note: What is to be said of the whole.
    """

    network: str
    decisions: tuple[Decision, ...]
    left: tuple[str, ...] = ()
    note: str = ""

    @property
    def parameters(self) -> int:
        """How many numbers its parameters hold."""
        return sum(each.values.numel() for each in self.decisions if each.is_parameter)

    @property
    def new_parameters(self) -> int:
        """How many of these are new."""
        return sum(each.new for each in self.decisions if each.is_parameter)

    @property
    def is_whole(self) -> bool:
        """Every tensor is kept as it is, and nothing is left over."""
        return all(each.kind == "kept" and not each.reason for each in self.decisions) and not self.left

    def named(self, kind: Kind) -> list[str]:
        """Return the names of the tensors of one kind."""
        return [each.name for each in self.decisions if each.kind == kind]

    def copy_into(self, network: nn.Module) -> None:
        """Give the network these tensors, all of them and no other.

        Raises:
            WeightsError: The network is not the one that was decided for; nothing is changed.
        """
        weights.copy_into(network, {each.name: each.values for each in self.decisions}, self.network)

    def lines(self, most: int = MOST_LINES) -> Iterator[str]:
        """Yield what is kept and what is new as lines of text.

        Args:
            most: How many tensors are told by name; the others are counted.
        """
        kept = self.parameters - self.new_parameters
        fitted = sum(each.values.numel() - each.new for each in self.decisions if each.kind == "fitted")
        of_these = f" ({fitted:,} of them fitted to other channels)" if fitted else ""
        yield f"{self.network}: {kept:,} of {self.parameters:,} parameters kept{of_these}, {self.new_parameters:,} new"
        if self.note:
            yield f"  {self.note}"
        if self.is_whole:
            return
        if kept:
            whole = [each.name for each in self.decisions if each.kind == "kept" and not each.reason]
            yield f"  kept          {', '.join(_grouped(whole, self.decisions)) or 'none as it is'}"
        changed = [each for each in self.decisions if each.kind != "kept" or each.reason]
        for each in changed[:most]:
            shape = "x".join(map(str, each.values.shape)) or "one number"
            told = f"{each.values.numel():,} {'parameters' if each.is_parameter else 'of state'}, {shape}"
            yield f"  {each.kind:<13} {each.name} ({told}): {each.reason}"
        if len(changed) > most:
            kinds = Counter(each.kind for each in changed[most:])
            yield f"  and {', '.join(f'{count} more {kind}' for kind, count in kinds.items())}"
        if self.left:
            more = f" and {len(self.left) - most} more" if len(self.left) > most else ""
            yield f"  left out      {', '.join(self.left[:most])}{more}, which have no place here"


def plan_transfer(name: str, source: nn.Module, target: nn.Module, classes: Classes | None = None) -> Transfer:
    """Decide of each tensor of a network whether it is taken over from a pretrained one.

    Tensors belong together that have the same role, which is their name unless the network says otherwise. One is kept
    if its shape is the same, and new if it is not; where the role says what lies along the axis that differs, this is
    decided for each part of it. Channels are repeated (grey to colour) or averaged (colour to grey), and classes go by
    their names.

    Args:
        name: What the network is called, such as `"generator"`.
        source: The pretrained network.
        target: A new network, which stays as it is.
        classes: The names of the classes of both.
    """
    before, after = tensor_roles(source), tensor_roles(target)
    tensors, parameters = source.state_dict(), {key for key, _ in target.named_parameters(remove_duplicate=False)}
    by_role = {role.name: key for key, role in before.items()}
    decisions, used = [], set()
    for key, fresh in target.state_dict().items():
        origin = by_role.get(after[key].name)
        if origin is None:
            outcome: Outcome = "new", fresh, fresh.numel(), "the pretrained network has no such tensor"
        else:
            old = tensors[origin].to(fresh.dtype if fresh.is_floating_point() else tensors[origin].dtype)
            outcome = _decide(old, fresh, before[origin], after[key], classes or Classes())
            if outcome[0] != "new":
                used.add(origin)
        kind, values, new, reason = outcome
        decisions.append(
            Decision(name=key, kind=kind, values=values.clone(), is_parameter=key in parameters, new=new, reason=reason)
        )
    left = tuple(key for key in tensors if key not in used)
    return Transfer(network=name, decisions=tuple(decisions), left=left)


def fresh_transfer(name: str, target: nn.Module, note: str) -> Transfer:
    """Return the plan for a network with nothing to take over.

    Args:
        name: What the network is called.
        target: The new network.
        note: Why there is nothing.
    """
    parameters = {key for key, _ in target.named_parameters(remove_duplicate=False)}
    decisions = tuple(
        Decision(
            name=key,
            kind="new",
            values=value.clone(),
            is_parameter=key in parameters,
            new=value.numel(),
            reason="drawn as for an untrained network",
        )
        for key, value in target.state_dict().items()
    )
    return Transfer(network=name, decisions=decisions, note=note)


def _decide(old: Tensor, fresh: Tensor, before: Role, after: Role, classes: Classes) -> Outcome:
    """Return what becomes of a tensor, its values, how many of them are new, and why."""
    fits = old.shape == fresh.shape
    has_parts = _describes(before, old) and _describes(after, fresh) and before.axis == after.axis
    same_classes = CLASSES not in after.parts or list(classes.before) == list(classes.after)
    if fits and (not has_parts or (before.parts == after.parts and same_classes)):
        return "kept", old, 0, ""
    others = [side for dim, side in enumerate(old.shape) if dim != before.axis]
    if not has_parts or others != [side for dim, side in enumerate(fresh.shape) if dim != after.axis]:
        return "new", fresh, fresh.numel(), f"it was {'x'.join(map(str, old.shape))}"
    return _decide_parts(old, fresh, before, after, classes)


def _describes(role: Role, tensor: Tensor) -> bool:
    """Tell whether a role says what lies along an axis of a tensor."""
    lengths = [math.prod(shape) for shape in role.parts.values()]
    return bool(lengths) and role.axis < tensor.ndim and sum(lengths) == tensor.shape[role.axis]


def _decide_parts(old: Tensor, fresh: Tensor, before: Role, after: Role, classes: Classes) -> Outcome:
    given, wanted = _split(old, before), _split(fresh, after)
    result = {name: part.clone() for name, part in wanted.items()}
    new, is_fitted, told = 0, False, []
    for name, part in result.items():
        if name not in given:
            taken, done = 0, f"new for {name}"
        elif name == CLASSES:
            taken = _fill_classes(part, given[name], classes)
            done = f"{taken} of {len(part)} classes kept by their names"
            if len(given[name]) > taken:
                done += f", {len(given[name]) - taken} others left out"
        elif before.parts[name] == after.parts[name]:
            part.copy_(given[name])
            taken, done = len(part), f"{name} kept"
        elif name in (CHANNELS, SOURCE):
            shapes = before.parts[name], after.parts[name]
            taken, done = _fill_channels(part, given[name], *shapes, is_input=after.is_input)
            done = f"of the source, {done}" if name == SOURCE else done
            is_fitted |= taken > 0
        else:
            taken, done = 0, f"new for {name}"
        new += (len(part) - taken) * (part[0].numel() if part.ndim > 1 else 1)
        told.append(done)
    told += [f"{name} left out" for name in given if name not in result]
    values = torch.cat(list(result.values())).movedim(0, after.axis).contiguous()
    if new == values.numel():
        return "new", fresh, new, "; ".join(told)
    return ("kept in part" if new else "fitted" if is_fitted else "kept"), values, new, "; ".join(told)


def _split(tensor: Tensor, role: Role) -> dict[str, Tensor]:
    """Return the parts of an axis, each with that axis as its first."""
    lengths = [math.prod(shape) for shape in role.parts.values()]
    return dict(zip(role.parts, torch.split(tensor.movedim(role.axis, 0), lengths), strict=True))


def _fill_classes(part: Tensor, given: Tensor, classes: Classes) -> int:
    """Copy what belongs to classes that have the same name in both, and return how many these are."""
    places = {name: number for number, name in enumerate(classes.before[: len(given)])}
    known = [(number, places[name]) for number, name in enumerate(classes.after[: len(part)]) if name in places]
    for number, place in known:
        part[number] = given[place]
    return len(known)


def _fill_channels(
    part: Tensor, given: Tensor, before: tuple[int, ...], after: tuple[int, ...], *, is_input: bool
) -> tuple[int, str]:
    """Copy, repeat or average channels, and return how many places are taken and what was done.

    What is repeated along inputs is divided by as many, and what is averaged is added up there, so that a grey picture
    gives the same in either form. Transparency, the last of two and of four channels, goes to transparency alone.
    """
    if before[1:] != after[1:]:
        return 0, f"new for samples of {'x'.join(map(str, after))}"
    old, new = torch.unflatten(given, 0, before), torch.unflatten(part, 0, after)
    seen, wanted = colours(before[0]), colours(after[0])
    if seen == 1 and wanted > 1:
        new[:wanted] = old[:1] / wanted if is_input else old[:1]
        filled, done = wanted, f"grey repeated for {wanted} channels"
    elif wanted == 1 and seen > 1:
        new[0] = old[:seen].sum(0) if is_input else old[:seen].mean(0)
        filled, done = 1, f"the {'sum' if is_input else 'mean'} of {seen} channels"
    else:
        filled = min(seen, wanted)
        new[:filled] = old[:filled]
        done = f"{filled} of {after[0]} channels kept"
    if seen < before[0] and wanted < after[0]:
        new[wanted] = old[seen]
        filled += 1
        done += ", transparency kept"
    if filled < after[0]:
        done += f", {after[0] - filled} new"
    return filled * math.prod(after[1:]), done


def _grouped(names: Sequence[str], decisions: Sequence[Decision]) -> list[str]:
    """Return names with those of a module that are all there under the module's name, as `blocks.0 (1,088)`."""
    sizes = {each.name: each.values.numel() if each.is_parameter else 0 for each in decisions}
    wanted, told = set(names), []
    rest = list(names)
    while rest:
        parts = rest[0].split(".")
        for depth in range(1, len(parts) + 1):
            prefix = ".".join(parts[:depth])
            within = [name for name in sizes if name == prefix or name.startswith(f"{prefix}.")]
            if wanted.issuperset(within):
                break
        told.append(f"{prefix} ({sum(sizes[name] for name in within):,})")
        rest = [name for name in rest if name not in within]
    return told


def counts(transfers: Mapping[str, Transfer]) -> dict[str, dict[str, int]]:
    """Return how many parameters of each network are kept and how many are new, for config.toml and the model card."""
    return {
        name: {"kept": each.parameters - each.new_parameters, "new": each.new_parameters}
        for name, each in transfers.items()
    }
