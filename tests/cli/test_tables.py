"""The summary holds every headline number of the result, within 100 columns."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from pimsim.cli import tables
from pimsim.records import Result


@pytest.fixture
def printed(example_result: Result, capsys: pytest.CaptureFixture[str]) -> str:
    tables.show(example_result, Path("pimsim-out") / "tiny-example")
    return capsys.readouterr().out


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_no_line_is_wider_than_100_columns_or_ends_in_blanks(printed: str) -> None:
    lines = printed.splitlines()
    assert max(map(len, lines)) <= tables.WIDTH
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "tiny on example",
        "8,320 parameters, 12,288 MACs per inference (batch 1), scheme int8_dyadic",
        "8 samples, 3 chips, seed 0",
        "float32                          100.00 %",
        "integer, ideal chip               87.50 %",
        "analog, 3 chips          83.33 % ± 7.22 %",  # of 0.875, 0.75, 0.875; n - 1
        "same answer as float32            87.50 %",
        "logit SNR                         21.5 dB",
        "latency                       2 µs",
        "throughput              500,000 /s",
        "energy                   0.0016 µJ",
        "average power               0.8 mW",  # 1.6 nJ in 2 µs
        "area                       0.5 mm²",
        "efficiency            15.36 TOPS/W",  # 2 x 12,288 operations in 1.6 nJ
        "density           0.02458 TOPS/mm²",
        "cells used                  25.0 %",
        "macro area used             50.0 %",
        "mram.adc                0.0008   50.0 %",
        "macro                      1.5   75.0 %",
        "25 % of the energy, 30 % of the area, 100 % of the latency",
        "Latency is 75 % macro-read-bound, most of it in blocks.0.fc.",
        "survey_4bit_adc   0.0028   0.95    8.777",
        "×: time and energy per input over this run's; a latency is that of a whole batch",
        "[1] pim simulated: whole chip, leakage included; no host. Source: simulated:",
        "[2] gpu roofline calibrated: board power, kernels only; no host. Source: data sheet",
        "Bear in mind\n  BitSift zero skipping is not modelled yet",
        "Files: pimsim-out/tiny-example, open pimsim-out/tiny-example/report.html",
    ],
)
def test_the_summary_says(printed: str, text: str) -> None:
    assert text in printed


def test_ratios_are_the_other_machines_numbers_over_this_chips(printed: str) -> None:
    """5 µs / 2 µs and 8 nJ / 1.6 nJ; 40 µs / 2 µs and 12 mJ / 1.6 nJ."""
    conventional = next(row for row in rows(printed) if row[:2] == ["[1]", "conventional,"])
    assert conventional[-5:] == ["%", "5", "2.5", "0.008", "5"]
    gpu = next(row for row in rows(printed) if row[:2] == ["[2]", "NVIDIA"])
    assert gpu[-6:] == ["batch", "1", "40", "20", "12,000", "7,500,000"]


def test_resources_are_listed_by_their_share_of_the_path(printed: str) -> None:
    """Macros work 0.9 + 0.6 and 0.8 µs of 2 x 2 µs and hold 1.5 µs of the path."""
    found = [" ".join(row) for row in rows(printed)]
    macros = found.index("macros 2 57.5 % 75.0 % 75.0 % 0.5")
    assert found[macros + 1 : macros + 3] == [
        "vector units 1 12.5 % 12.5 % 12.5 % 1.75",
        "network links 1 12.5 % 12.5 % 12.5 % 1.75",
    ]


def test_further_inferences_loading_queueing_and_replays_are_told(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    line = dataclasses.replace(
        example_result.timeline,
        wait_ps=np.array([0, 500_000, 0, 0, 0, 0], dtype=np.int64),
        request=np.zeros(6, dtype=np.int32),
        request_start_ps=(0,) * 4,
        request_end_ps=(2_000_000, 3_000_000, 4_000_000, 5_000_000),
        loading_ps=8_000_000,
    )
    tables.show(dataclasses.replace(example_result, timeline=line, what_if_us={"macro": 1.25}))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= tables.WIDTH
    found = "\n".join(" ".join(row) for row in rows(out))
    assert "with loading of weights 10 µs" in found
    assert "3 further ones, mean 4 µs" in found
    assert "throughput of 4 inferences" in found
    # 0.9 + 0.6 + 0.8 µs of 2 x 5 µs; one of three waited 0.5 µs.
    assert "macros 2 23.0 % 30.0 % 0.1667 0.5 75.0 % 1.25" in found
    few = dataclasses.replace(line, request_end_ps=(2_000_000, 3_000_000))
    few = dataclasses.replace(few, request_start_ps=(0, 0))
    tables.show(dataclasses.replace(example_result, timeline=few))
    assert "throughput, one at a time" in capsys.readouterr().out


def test_rows_of_one_source_share_a_footnote(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    conventional, gpu = example_result.baselines
    scope = "board power, kernels only; no host; latency of the batch"
    batched = dataclasses.replace(gpu, batch=128, scope=scope)
    tables.show(dataclasses.replace(example_result, baselines=(conventional, gpu, batched)))
    out = " ".join(capsys.readouterr().out.split())
    assert "[2] NVIDIA Example 100, fp16, batch 1 " in out
    assert "[2] NVIDIA Example 100, fp16, batch 128 " in out
    assert (
        "[2] gpu roofline calibrated: board power, kernels only; no host; latency of the batch. "
        "Source: data sheet, 2020, p. 1"
    ) in out
    assert "[3]" not in out


def test_only_the_largest_contributors_are_named_and_shares_sum_to_one(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {f"part_{index}": float(index) for index in range(1, 11)}  # 55 in all
    tables.show(dataclasses.replace(example_result, energy_breakdown_uj=parts))
    out = capsys.readouterr().out
    named = [row for row in rows(out) if row and row[0].startswith("part_")]
    assert [row[:3] for row in named] == [
        ["part_10", "10", "18.2"],
        ["part_9", "9", "16.4"],
        ["part_8", "8", "14.5"],
        ["part_7", "7", "12.7"],
        ["part_6", "6", "10.9"],
    ]
    assert ["5", "more", "15", "27.3", "%"] in [row[:5] for row in rows(out)]


def test_a_shape_only_workload_has_no_accuracy(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.show(dataclasses.replace(example_result, accuracy=None))
    out = capsys.readouterr().out
    assert "shape-only: no accuracy" in out
    assert "seed" not in out  # nothing was drawn


def test_other_metrics_are_no_percentages_and_exact_outputs_have_no_decibels(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example_result.accuracy is not None
    accuracy = dataclasses.replace(
        example_result.accuracy,
        metric="perplexity",
        float32=12.5,
        analog=(13.25,),
        logit_snr_db=math.inf,
    )
    tables.show(dataclasses.replace(example_result, accuracy=accuracy))
    found = rows(capsys.readouterr().out)
    assert ["float32", "12.5"] in [row[:2] for row in found]
    assert ["analog,", "1", "chip", "13.25"] in [row[:4] for row in found]
    assert ["logit", "SNR", "exact"] in [row[:3] for row in found]


def test_a_language_model_has_nats_per_token_and_the_perplexity_they_mean(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example_result.accuracy is not None
    accuracy = dataclasses.replace(
        example_result.accuracy,
        metric="nats_per_token",
        higher_is_better=False,
        float32=math.log(32.0),
        integer=math.log(40.0),
        analog=(3.75, 4.25),
    )
    tables.show(dataclasses.replace(example_result, accuracy=accuracy))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= tables.WIDTH
    assert "accuracy (nats per token)" in out
    lines = [" ".join(row) for row in rows(out)]
    for text in (
        "float32 3.466 (perplexity 32)",
        "integer, ideal chip 3.689 (perplexity 40)",
        "analog, 2 chips 4 ± 0.3536 (perplexity 54.6)",  # n - 1; 54.6 = exp(4)
    ):
        assert any(line.startswith(text) for line in lines)


def test_square_brackets_in_names_are_text_not_markup(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.show(dataclasses.replace(example_result, notes=("see [bold] and [/bold]",)))
    assert "see [bold] and [/bold]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (9_999.4, "9999"),
        (9_999.6, "10,000"),
        (1e12, "1e+12"),
        (-0.00012345, "-0.0001234"),
    ],
)
def test_quantities_have_four_digits(value: float, text: str) -> None:
    assert tables.quantity(value) == text
