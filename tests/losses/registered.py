"""The built-in terms, as the registry has them, so that no test has a list to forget one in."""

from ganzoo import plugins
from ganzoo.losses.term import AdversarialLoss, Term


def terms(kind=Term):
    """Return one of every built-in term of a kind, with default arguments, by name."""
    entries = [entry for entry in plugins.entries("loss") if entry.provider.namespace is None]
    return {entry.name: entry.load()() for entry in entries if issubclass(entry.load(), kind)}


def generator_loss(loss: AdversarialLoss, fake_logits, real_logits):
    """Return the generator's loss, with the real logits withheld from a loss that does not ask for them."""
    return loss.generator(fake_logits, real_logits.detach() if loss.generator_needs_real else None)
