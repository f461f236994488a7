"""How right the answers are.

Which question this module answers: *how often is the chip right (or, of a language model, how
probable does it find the text), how often does it agree with float32, and how large is its error?*
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pimsim.records import NATS_PER_TOKEN, Accuracy
from pimsim.workload.graph import LANGUAGE_MODELING


@dataclass(frozen=True, slots=True)
class Answers:
    """Outputs of the network for the same samples from three kinds of machine."""

    float32: NDArray[np.float32]
    """(samples, classes) or (samples, tokens, classes), from the float reference."""
    integer: NDArray[np.float32]
    """The integer graph on a perfect chip."""
    analog: Sequence[NDArray[np.float32]]
    """One array per Monte Carlo chip."""


def measure(
    answers: Answers, labels: NDArray[np.int64] | None, task: str | None = None
) -> Accuracy:
    """Score answers against labels and against float32.

    Parameters
    ----------
    answers
        Outputs whose last axis holds one score per class.
    labels
        Right class per sample, or per token of each. Without labels the metric is agreement with
        float32.
    task
        What the workload is for; language modelling is scored by probabilities.

    Returns
    -------
    Accuracy
        ``top1_ratio`` with labels, ``nats_per_token`` if these are the next tokens of a language
        model, ``agreement_ratio`` without.

    Notes
    -----
    Nats per token are the mean of ``-ln p(label)`` over all tokens of all samples, ``p`` being the
    softmax of the scores; perplexity is ``exp`` of it.

    The logit SNR pools samples and chips: ``10 log10(sum(y**2) / sum((y_chip - y)**2))`` with
    ``y`` the float32 outputs; infinite when nothing deviates.
    """
    expected = np.argmax(answers.float32, axis=-1)
    truth = expected if labels is None else labels
    metric, score = _metric(labels is not None, task)
    return Accuracy(
        metric=metric,
        higher_is_better=metric != NATS_PER_TOKEN,
        samples=len(answers.float32),
        float32=score(answers.float32, truth),
        integer=score(answers.integer, truth),
        analog=tuple(score(chip, truth) for chip in answers.analog),
        agreement_ratio=float(np.mean([_right(chip, expected) for chip in answers.analog])),
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


def nats_per_token(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean of ``-ln p(label)``, the cross entropy of the text under the model. [nat]

    Parameters
    ----------
    scores
        (samples, tokens, classes), before the softmax.
    labels
        (samples, tokens), the tokens that follow.

    Examples
    --------
    >>> scores = np.zeros((1, 3, 8), np.float32)
    >>> round(nats_per_token(scores, np.array([[0, 5, 7]])) / float(np.log(8)), 6)
    1.0
    """
    total = 0.0
    for rows, following in zip(scores, labels, strict=True):  # of all at once, float64 is too large
        shifted = rows.astype(np.float64)
        shifted -= shifted.max(axis=-1, keepdims=True)
        found = np.take_along_axis(shifted, following[..., None], axis=-1)
        total += float(np.sum(np.log(np.exp(shifted).sum(axis=-1)) - found[..., 0]))
    return total / labels.size


def _metric(
    labelled: bool, task: str | None
) -> tuple[str, Callable[[NDArray[np.float32], NDArray[np.int64]], float]]:
    """Name of the metric, and what computes it from outputs and truth."""
    if not labelled:
        return "agreement_ratio", _right
    return (NATS_PER_TOKEN, nats_per_token) if task == LANGUAGE_MODELING else ("top1_ratio", _right)


def _right(outputs: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    return float(np.mean(np.argmax(outputs, axis=-1) == truth))
