"""How right the answers are.

Which question this module answers: *how often is the chip right, how often does it agree with
float32, and how large is its error?*
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pimsim.records import Accuracy


@dataclass(frozen=True, slots=True)
class Answers:
    """Outputs of the network for the same samples from three kinds of machine."""

    float32: NDArray[np.float32]
    """(samples, classes), from the float reference."""
    integer: NDArray[np.float32]
    """The integer graph on a perfect chip."""
    analog: Sequence[NDArray[np.float32]]
    """One array per Monte Carlo chip."""


def measure(answers: Answers, labels: NDArray[np.int64] | None) -> Accuracy:
    """Score answers against labels and against float32.

    Parameters
    ----------
    answers
        Outputs whose last axis holds one score per class.
    labels
        Right class per sample. Without labels the metric is agreement with float32.

    Returns
    -------
    Accuracy
        ``top1_ratio`` with labels, ``agreement_ratio`` without.

    Notes
    -----
    The logit SNR pools samples and chips: ``10 log10(sum(y**2) / sum((y_chip - y)**2))`` with
    ``y`` the float32 outputs; infinite when nothing deviates.
    """
    expected = np.argmax(answers.float32, axis=-1)
    truth = expected if labels is None else labels
    agreement = [float(np.mean(np.argmax(chip, axis=-1) == expected)) for chip in answers.analog]
    return Accuracy(
        metric="agreement_ratio" if labels is None else "top1_ratio",
        higher_is_better=True,
        samples=len(answers.float32),
        float32=_right(answers.float32, truth),
        integer=_right(answers.integer, truth),
        analog=tuple(_right(chip, truth) for chip in answers.analog),
        agreement_ratio=float(np.mean(agreement)),
        logit_snr_db=signal_to_noise_db(answers.float32, answers.analog),
    )


def signal_to_noise_db(
    reference: NDArray[np.float32], outputs: Sequence[NDArray[np.float32]]
) -> float:
    """Power of the reference over power of the deviation, pooled over ``outputs``. [dB]"""
    exact = reference.astype(np.float64)
    error = sum(float(np.square(output - exact).sum()) for output in outputs)
    if error == 0.0:
        return float("inf")
    return 10.0 * float(np.log10(len(outputs) * np.square(exact).sum() / error))


def _right(outputs: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    return float(np.mean(np.argmax(outputs, axis=-1) == truth))
