"""What a judge's classifier says of samples: which classes they are of, and how surely."""

import math

import torch
from torch import Tensor


def class_shares(logits: Tensor) -> Tensor:
    """Return the share of samples that each class is the likeliest of.

    Args:
        logits: (N, K).

    Returns:
        (K,) float64, adding up to 1.
    """
    return logits.argmax(1).bincount(minlength=logits.shape[1]).double() / len(logits)


def divergence_from_uniform(shares: Tensor) -> float:
    """Return the Kullback-Leibler divergence of class shares from equal ones, sum p log(p K).

    Args:
        shares: (K,) adding up to 1; a class may be absent.

    Returns:
        In [0, log K] nats: 0 when all classes are equally frequent, log K when there is one alone.
    """
    return float(torch.special.xlogy(shares, shares).sum()) + math.log(len(shares))


def mean_confidence(logits: Tensor) -> float:
    """Return the mean probability of the likeliest class, in [1/K, 1].

    Args:
        logits: (N, K).
    """
    return float(logits.double().softmax(1).amax(1).mean())


def label_accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the share of samples whose likeliest class is the one they were asked to be of, in [0, 1].

    Args:
        logits: (N, K).
        labels: (N,) int64.
    """
    return float((logits.argmax(1) == labels).double().mean())
