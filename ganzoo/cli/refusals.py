"""Refusals where torchrun has started several processes: process 0 gives for all what all of them would say."""

import os
import time

import click

SECONDS = 20.0  # by which processes that were started together can be apart, on a busy machine too
TRAINING = "ganzoo.training"  # the key of a context's meta: from here on processes agree on who says what


def let_process_0_speak(context: click.Context, error: Exception) -> None:
    """Wait, in a process that is not process 0, before a refusal is printed.

    torchrun ends all processes as soon as one has failed, so where process 0 refuses too, this one is ended here. A
    refusal that is this one's own, such as of data that its machine lacks, is printed afterwards.

    Args:
        context: The running command's context.
        error: What is to be printed.
    """
    is_another = "WORLD_SIZE" in os.environ and os.environ.get("RANK", "0") != "0"
    if is_another and (TRAINING not in context.meta or getattr(error, "failed", None) == 0):
        time.sleep(SECONDS)
