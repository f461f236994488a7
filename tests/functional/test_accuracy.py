"""Scores and signal-to-noise ratio against closed forms."""

import math

import numpy as np
import pytest

from pimsim.functional import Answers, measure
from pimsim.functional.accuracy import signal_to_noise_db

RIGHT = np.eye(4, dtype=np.float32)  # sample i answers class i


def wrong_from(sample: int) -> np.ndarray:
    """Right answers before ``sample``, the next class from there on."""
    answers = RIGHT.copy()
    answers[sample:] = np.roll(RIGHT, 1, axis=1)[sample:]
    return answers


def test_scores_are_shares_of_right_answers():
    answers = Answers(wrong_from(3), wrong_from(2), [wrong_from(1), RIGHT])
    accuracy = measure(answers, np.arange(4))
    assert (accuracy.metric, accuracy.higher_is_better) == ("top1_ratio", True)
    assert (accuracy.samples, accuracy.float32, accuracy.integer) == (4, 0.75, 0.5)
    assert accuracy.analog == (0.25, 1.0)
    # sample 3 is the one that float32 has wrong: the first chip agrees on samples 0 and 3
    assert accuracy.agreement_ratio == (0.5 + 0.75) / 2


def test_without_labels_float32_is_the_truth():
    accuracy = measure(Answers(wrong_from(3), RIGHT, [RIGHT, wrong_from(2)]), None)
    assert accuracy.metric == "agreement_ratio"
    assert (accuracy.float32, accuracy.integer, accuracy.analog) == (1.0, 0.75, (0.75, 0.75))
    assert accuracy.agreement_ratio == 0.75


def test_answers_may_have_several_rows_per_sample():
    answers = np.stack([RIGHT, wrong_from(2)])  # (samples, tokens, classes)
    labels = np.stack([np.arange(4)] * 2)
    assert measure(Answers(answers, answers, [answers]), labels).float32 == 6 / 8


@pytest.mark.parametrize("relative", [1.0, 0.1, 1e-3])
def test_the_ratio_of_a_known_error(relative):
    """An error of a fixed share of every output: -20 log10(share), whatever the outputs."""
    exact = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    found = [(exact * np.float32(1 + sign * relative)) for sign in (1, -1)]
    ratio = signal_to_noise_db(exact, found)
    assert ratio == pytest.approx(-20 * math.log10(relative), abs=1e-3)
    assert measure(Answers(exact, exact, found), None).logit_snr_db == ratio


def test_the_ratio_pools_chips():
    """One exact chip and one with error power ``e``: the mean power is ``e / 2``, 3.01 dB less."""
    exact = np.ones((3, 2), np.float32)
    one = signal_to_noise_db(exact, [exact * 1.5])
    both = signal_to_noise_db(exact, [exact, exact * 1.5])
    assert (one, both - one) == (pytest.approx(20 * math.log10(2)), pytest.approx(3.0103, abs=1e-4))


def test_outputs_without_deviation_have_an_infinite_ratio():
    assert signal_to_noise_db(RIGHT, [RIGHT, RIGHT]) == math.inf


def test_a_language_model_is_judged_by_the_probability_of_the_text():
    """Of scores that are log-probabilities plus a constant, the mean of -ln p is read off."""
    chances = np.random.default_rng(0).dirichlet(np.ones(6), size=(3, 5))  # (samples, tokens, 6)
    labels = np.random.default_rng(1).integers(0, 6, size=(3, 5))
    expected = -np.mean([math.log(chances[i, t, labels[i, t]]) for i in range(3) for t in range(5)])
    scores = (np.log(chances) + 300.0).astype(np.float32)
    uniform = np.zeros_like(scores)
    accuracy = measure(Answers(scores, uniform, [scores, uniform]), labels, "language-modeling")
    assert (accuracy.metric, accuracy.higher_is_better) == ("nats_per_token", False)
    assert accuracy.float32 == pytest.approx(expected, rel=1e-5)
    assert accuracy.integer == pytest.approx(math.log(6), rel=1e-12)
    assert accuracy.analog == (accuracy.float32, accuracy.integer)
    assert accuracy.samples == 3


def test_without_labels_a_language_model_is_compared_with_float32():
    accuracy = measure(Answers(RIGHT, RIGHT, [wrong_from(3)]), None, "language-modeling")
    assert (accuracy.metric, accuracy.analog) == ("agreement_ratio", (0.75,))


def test_an_impossible_token_costs_what_its_score_says():
    """Far below the largest score the probability underflows, its logarithm does not."""
    scores = np.array([[[0.0, -1e4]]], np.float32)
    accuracy = measure(Answers(scores, scores, [scores]), np.array([[1]]), "language-modeling")
    assert accuracy.float32 == pytest.approx(1e4)
