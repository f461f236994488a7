"""The procedure of a measurement, on a board that is made of numbers."""

import statistics

import pytest

from pimsim.baselines.measurement import (
    Case,
    Clock,
    Setting,
    Settings,
    State,
    measure,
    row,
    write,
)
from pimsim.baselines.runs import read_runs
from pimsim.errors import InputError, OutputError

IDLE_MW, BUSY_MW, LATENCY_S = 50_000.0, 250_000.0, 0.004


class Board:
    """Takes 4 ms for a batch, draws 250 W while it works and 50 W while it does not."""

    def __init__(self, *, counter=True, wobble_us=()):
        self.now_s, self.energy_uj_, self.counter = 0.0, 0.0, counter
        self.started, self.runs, self.wobble_us = 0, 0, list(wobble_us)
        self.power = IDLE_MW
        self.clock = Clock(now=lambda: self.now_s, sleep=self.sleep)

    def _pass(self, seconds, power_mw):
        self.now_s += seconds
        self.power = power_mw
        self.energy_uj_ += power_mw * seconds * 1e3

    def sleep(self, seconds):
        self._pass(seconds, IDLE_MW)

    # the timer
    def run(self, count):
        self.started += count
        self.runs += count

    def synchronize(self):
        self._pass(self.started * LATENCY_S, BUSY_MW)
        self.started = 0

    def times_us(self, count):
        self.run(count)
        self.synchronize()
        return [LATENCY_S * 1e6 + self.wobble_us[i % len(self.wobble_us)] for i in range(count)]

    # the meter
    def energy_uj(self):
        return self.energy_uj_ if self.counter else None

    def power_mw(self):
        return self.power

    def state(self):
        return State(1.41, 1.215, 60.0)


SETTINGS = Settings(warm_up_runs=10, timed_runs=50)


def measured(**kind):
    board = Board(wobble_us=[0.0], **kind)
    return board, measure(board, board, SETTINGS, board.clock)


def test_energy_is_the_boards_and_nothing_is_subtracted():
    _, point = measured()
    assert point.latency_us == pytest.approx(4000.0)
    assert point.energy_uj == pytest.approx(BUSY_MW * LATENCY_S * 1e3)  # 250 W for 4 ms: 1 J
    assert point.idle_power_mw == pytest.approx(IDLE_MW)
    assert point.energy_from == "energy_counter"


def test_where_there_is_no_counter_power_is_sampled():
    _, point = measured(counter=False)
    assert point.energy_uj == pytest.approx(BUSY_MW * LATENCY_S * 1e3)
    assert point.idle_power_mw == pytest.approx(IDLE_MW)
    assert point.energy_from == "sampled_power"


def test_energy_is_taken_over_two_seconds_at_least():
    board, point = measured()
    assert point.window_s >= 2.0
    assert board.runs >= 10 + 50 + 2.0 / LATENCY_S


def test_warm_up_runs_come_before_the_timed_ones():
    order = []
    board = Board(wobble_us=[0.0])
    run, times_us = board.run, board.times_us
    board.run = lambda count: (order.append(("run", count)), run(count))
    board.times_us = lambda count: (order.append(("times", count)), times_us(count))[1]
    measure(board, None, SETTINGS, board.clock)
    assert order[:2] == [("run", 10), ("times", 50)]


def test_one_slow_run_does_not_move_the_median_and_quartiles_are_the_spread():
    wobble = [-40.0, -20.0, 0.0, 20.0, 40.0, 0.0, 0.0, 0.0, 0.0, 90_000.0]
    board = Board(wobble_us=wobble)
    point = measure(board, None, SETTINGS, board.clock)
    assert point.latency_us == pytest.approx(4000.0)
    low, _, high = statistics.quantiles(sorted(wobble * 5), n=4)
    assert point.spread_ratio == pytest.approx((high - low) / 4000.0)
    assert point.energy_uj is None


def test_a_batch_longer_than_a_sample_is_run_one_at_a_time():
    board = Board(wobble_us=[200_000.0])  # times of 204 ms
    point = measure(board, board, SETTINGS, board.clock)
    assert point.energy_uj == pytest.approx(BUSY_MW * LATENCY_S * 1e3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(warm_up_runs=0), "at least 1 warm-up run"),
        (Settings(timed_runs=2), "3 timed runs are needed, got 20 and 2"),
        (Settings(window_s=1.0), "over 2 s or more, got 1.0 s"),
    ],
)
def test_settings_that_measure_nothing_are_refused(settings, message):
    board = Board(wobble_us=[0.0])
    with pytest.raises(InputError, match=message):
        measure(board, board, settings, board.clock)


SETTING = Setting(
    gpu="t4",
    device="NVIDIA T4",
    date="2026-03-01",
    command="pimsim gpu measure bert_base",
    execution="cuda_graph",
    driver="550.1",
    torch="2.6",
    power_limit_mw=70_000.0,
)


def test_what_is_written_is_read_back_with_its_provenance(tmp_path):
    _, point = measured()
    case = Case("bert_base", 8, "fp16", seq=128)
    path = tmp_path / "rows.yaml"
    write(path, SETTING, [row(case, point, SETTING, SETTINGS)])
    (run,) = read_runs(path)
    assert (run.gpu, run.model, run.batch, run.seq, run.precision) == (
        "t4",
        "bert_base",
        8,
        128,
        "fp16",
    )
    assert run.kind == "measured"
    assert run.latency_us == pytest.approx(point.latency_us)
    assert run.energy_uj == pytest.approx(point.energy_uj)
    assert run.idle_power_mw == pytest.approx(IDLE_MW)
    text = path.read_text()
    for known in ("2026-03-01", "550.1", "cuda_graph", "sm_clock_ghz: 1.41", "energy_counter"):
        assert known in text


def test_a_row_without_power_and_with_a_phase_is_read_back(tmp_path):
    board = Board(wobble_us=[0.0])
    point = measure(board, None, SETTINGS, board.clock)
    case = Case("gpt2", 1, "bf16", phase="decode", context=64)
    path = tmp_path / "rows.yaml"
    write(path, SETTING, [row(case, point, SETTING, SETTINGS)])
    (run,) = read_runs(path)
    assert (run.phase, run.context, run.energy_uj) == ("decode", 64, None)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "none" / "rows.yaml", SETTING, [])
