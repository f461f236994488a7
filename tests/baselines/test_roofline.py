"""The roofline, against numbers computed by hand."""

from dataclasses import replace
from math import hypot

import pytest

from pimsim.baselines.kernels import Kernel
from pimsim.baselines.roofline import (
    Coefficients,
    KernelTime,
    Machine,
    energy_uj,
    kernel_time,
    latency_us,
    machine,
)

HARDWARE = Machine(
    peak_ops_per_s=100e12,  # 100 operations per picosecond
    multiprocessors=10,
    memory_bytes_per_ns=1000.0,
    cache_bytes=2e6,
    board_power_mw=300_000.0,
    idle_power_mw=100_000.0,
    bytes_per_value=2,
)
HALF = Coefficients(
    utilisation_ratio=0.5,
    attention_utilisation_ratio=0.25,
    kernel_floor_us=3.0,
    bandwidth_ratio=0.8,
)
LARGE = Kernel(
    "fc", "product", macs=10**9, activation_values=1000, weight_values=10**6, rows=1000, columns=640
)


def at(kernel, batch=1, coefficients=HALF):
    return kernel_time(kernel, HARDWARE, coefficients, batch)


def test_a_large_product_takes_the_reached_share_of_the_peak():
    """2 x 10⁹ operations at 50 TOPS: 40 µs; 2 MB of weights at 800 GB/s: 2.5 µs; 3 µs floor.

    The root of 40² + 2.5² is 40.078.
    """
    time = at(LARGE)
    assert time.compute_us == pytest.approx(40.0)
    assert time.memory_us == pytest.approx(2.5)
    assert time.time_us == pytest.approx(43.078, abs=1e-3)
    assert time.bound == "compute"


@pytest.mark.parametrize(
    ("compute_us", "memory_us", "busy_us"),
    [(30.0, 40.0, 50.0), (0.0, 7.0, 7.0), (7.0, 0.0, 7.0), (0.0, 0.0, 0.0)],
)
def test_arithmetic_and_memory_hide_each_other_in_part(compute_us, memory_us, busy_us):
    """Longer than the longer of both, shorter than one after the other."""
    time = KernelTime("k", 1, 1.0, 2.0, compute_us, memory_us, compute_us)
    assert time.busy_us == pytest.approx(busy_us)
    assert time.time_us == pytest.approx(2.0 + busy_us)
    assert max(compute_us, memory_us) <= time.busy_us <= compute_us + memory_us


def test_a_kernel_is_bound_by_the_longest_part():
    parts = {"floor": (9.0, 3.0, 4.0), "compute": (2.0, 4.0, 3.0), "memory": (2.0, 3.0, 4.0)}
    for bound, (floor_us, compute_us, memory_us) in parts.items():
        assert KernelTime("k", 1, 1.0, floor_us, compute_us, memory_us, 0.0).bound == bound


def test_a_product_with_fewer_blocks_than_multiprocessors_is_slower_by_their_ratio():
    """64 x 128 results are 2 blocks on 10 multiprocessors: five times 40 µs."""
    time = at(replace(LARGE, rows=64, columns=128))
    assert time.compute_us == pytest.approx(200.0)
    assert time.ideal_compute_us == pytest.approx(40.0)


def test_a_matrix_times_one_row_is_bound_by_its_weights():
    """10⁸ values of 2 bytes at 800 GB/s: 250 µs, whatever the batch."""
    row = Kernel("fc", "product", 10**8, 100, weight_values=10**8, rows=1, columns=10**4)
    assert at(row).bound == "memory"
    assert at(row).memory_us == pytest.approx(250.0)
    assert at(row, batch=32).memory_us == pytest.approx(250.0)


def test_activations_move_only_beyond_half_the_cache():
    """1.5 MB and half a cache of 1 MB: 0.5 MB at 800 GB/s."""
    norm = Kernel("norm", "rows", 0, activation_values=250_000)
    assert at(norm).traffic_bytes == 0.0
    assert at(norm).bound == "floor"
    assert at(norm, batch=3).traffic_bytes == pytest.approx(0.5e6)
    assert at(norm, batch=3).memory_us == pytest.approx(0.625)


def test_keys_and_values_of_earlier_steps_come_from_memory_however_few():
    """One query on 100 keys: 99 of 100 parts of 0.2 MB, though half a cache of 1 MB is free."""
    step = Kernel(
        "core", "attention", 10**5, 101_000, rows=1, columns=100, matrices=8, cached_values=100_000
    )
    assert at(step).traffic_bytes == pytest.approx(0.99 * 0.2e6)
    assert at(step, batch=3).traffic_bytes == pytest.approx(3 * 0.99 * 0.2e6)
    prompt = replace(step, rows=100)  # written by the kernel before
    assert at(prompt).traffic_bytes == 0.0


def test_attention_has_a_share_of_its_own():
    core = Kernel("core", "attention", 10**9, 1000, rows=128, columns=128, matrices=20)
    assert at(core).compute_us == pytest.approx(80.0)


def test_what_joins_a_neighbour_has_no_floor():
    assert at(Kernel("add", "joined", 0, 100)).time_us == 0.0


def test_kernels_follow_one_another():
    time = at(LARGE)
    assert latency_us([(3, time), (1, time)]) == pytest.approx(4 * time.time_us)


def test_energy_is_idle_power_and_the_share_of_the_rest_that_works():
    """Idle at 100 W; 40 µs of arithmetic, 0.6 x 2.5 µs of memory and 0.15 x 3 µs at 200 W."""
    expected = (3.0 + hypot(40.0, 2.5)) * 100 + (40.0 + 0.6 * 2.5 + 0.15 * 3.0) * 200
    assert energy_uj([(1, at(LARGE))], HARDWARE) == pytest.approx(expected)
    assert energy_uj([(2, at(LARGE))], HARDWARE) == pytest.approx(2 * expected)


def test_idle_multiprocessors_draw_no_dynamic_power():
    busy, waiting = at(LARGE), at(replace(LARGE, rows=64, columns=128))
    more = energy_uj([(1, waiting)], HARDWARE) - energy_uj([(1, busy)], HARDWARE)
    longer_us = waiting.time_us - busy.time_us
    assert longer_us == pytest.approx(160.0, abs=0.1)
    assert more == pytest.approx(longer_us * 100)  # at idle power


def test_power_stays_between_idle_and_the_boards():
    both = KernelTime("k", 1, 1.0, 0.0, 10.0, 10.0, 10.0)  # arithmetic and memory all the time
    assert both.time_us == pytest.approx(10.0 * 2**0.5)
    assert energy_uj([(1, both)], HARDWARE) == pytest.approx(both.time_us * 300)
    nothing = KernelTime("k", 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert energy_uj([(1, nothing)], HARDWARE) == 0.0


def test_measured_power_scales_what_the_work_adds():
    time = at(LARGE)
    half = energy_uj([(1, time)], HARDWARE, dynamic_ratio=0.5)
    full = energy_uj([(1, time)], HARDWARE)
    idle = 100 * time.time_us
    assert half - idle == pytest.approx((full - idle) / 2)


def test_the_data_sheets_numbers_are_taken():
    found = machine("t4", "int8")
    assert (found.peak_ops_per_s, found.multiprocessors, found.memory_bytes_per_ns) == (
        130e12,
        40,
        320.0,
    )
    assert found.bytes_per_value == 1
