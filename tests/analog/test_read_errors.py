"""How often a read errs: cells, converter noise and corners against closed forms.

The table of read errors is that of a reconstruction of RAP (arXiv 2411.14733), which gives no
numbers itself: probability ``2 Q(0.5 / (sigma sqrt(n)))`` that ``n`` conducting cells of relative
spread ``sigma`` move their sum by half an LSB or more.
"""

import math

import numpy as np
import pytest
from scipy import stats

from pimsim.analog.cells import CURRENT_ONE, program_cells
from pimsim.analog.macros import ideal_macro
from pimsim.analog.pvt import NOMINAL, OperatingPoint, operating_point, pedestal_lsb
from pimsim.analog.read_errors import closed_form, measured
from pimsim.analog.transfer import transfer_of
from pimsim.config import load_architecture
from pimsim.config.cells import Cell
from pimsim.config.pvt import Pvt
from pimsim.errors import ModelRangeError

TABLE = {
    0.02: {63: 1.6e-3, 127: 2.7e-2},
    0.03: {31: 2.8e-3, 63: 3.6e-2, 127: 0.14},
    0.05: {8: 4e-4, 15: 1e-2, 31: 7e-2, 63: 0.21, 127: 0.37},
    0.08: {4: 2e-3, 8: 2.7e-2, 15: 0.11, 31: 0.26, 63: 0.43, 127: 0.58},
    0.10: {4: 1.2e-2, 8: 7.7e-2, 15: 0.20, 31: 0.37, 63: 0.53, 127: 0.66},
}
ROWS = [(sigma, n, share) for sigma, row in TABLE.items() for n, share in row.items()]
RARE = {(0.02, 4): 8e-36, (0.02, 8): 1e-18, (0.03, 8): 4e-9, (0.02, 31): 7e-6, (0.03, 15): 2e-5}


def macro_of(rows, cell, levels, **adc):
    macro = ideal_macro(
        rows=rows, cols=64, active_rows=rows, weight_bits=8, input_bits=8, adc_levels=levels
    )
    return macro.model_copy(
        update={
            "crossbar": macro.crossbar.model_copy(update={"cell": cell}),
            "adc": macro.adc.model_copy(update=adc),
        }
    )


def codes(current, transfer):
    """Literal converter: how many decision levels lie at or below each column sum."""
    return transfer.lowest + np.searchsorted(transfer.thresholds[0], current, side="right")


def wrong(macro, ones, columns, pvt=None, seed=0):
    """Share of reads whose code is not the number of conducting cells."""
    rows = macro.crossbar.active_rows
    digits = np.zeros((1, rows, columns), np.uint8)
    digits[0, :ones] = 1
    point = operating_point(pvt, macro)
    deviation = program_cells(digits, macro, np.random.default_rng(seed), point)
    current = ones * CURRENT_ONE + deviation.sum(axis=1, dtype=np.int64).ravel()
    return (codes(current, transfer_of(macro, pvt)) != ones).mean()


def two_sided(sigma_lsb):
    return 2 * stats.norm.sf(0.5 / sigma_lsb)


@pytest.mark.parametrize(("sigma", "n", "tabulated"), ROWS)
def test_the_table_of_read_errors_is_reproduced(sigma, n, tabulated):
    """Monte Carlo within 5 binomial standard errors of the closed form, and that is the table's."""
    expected = two_sided(sigma * math.sqrt(n))
    assert expected == pytest.approx(tabulated, rel=0.13)  # some entries have one digit
    columns = 100_000 if n < 31 else 15_000
    cell = Cell(model="mram", bits=1, sigma_on_ratio=sigma)
    found = wrong(macro_of(n, cell, 2 * n), n, columns, seed=n)
    assert found == pytest.approx(expected, abs=5 * math.sqrt(expected / columns))


@pytest.mark.parametrize(("sigma", "n"), list(RARE))
def test_rare_errors_of_the_table_do_not_happen(sigma, n):
    """At most 7e-6 per read: none in 2,000 reads, but for a chance of 1.4 %."""
    assert two_sided(sigma * math.sqrt(n)) == pytest.approx(RARE[sigma, n], rel=0.5)
    cell = Cell(model="mram", bits=1, sigma_on_ratio=sigma)
    assert wrong(macro_of(n, cell, 2 * n), n, 2_000) == 0.0


@pytest.mark.parametrize(("sigma", "tabulated"), [(0.15, 9e-4), (0.2, 1.2e-2), (0.3, 9.6e-2)])
def test_converter_noise_alone_errs_as_tabulated(sigma, tabulated):
    reads = 200_000
    macro = macro_of(8, Cell(model="ideal", bits=1), 17, noise_ratio=sigma / 16)
    transfer = transfer_of(macro)
    noise = np.random.default_rng(0).standard_normal(reads) * transfer.sigma_lsb.max()
    found = (codes((4 + noise) * CURRENT_ONE, transfer) != 4).mean()
    expected = two_sided(sigma)
    assert expected == pytest.approx(tabulated, rel=0.06)
    assert found == pytest.approx(expected, abs=5 * math.sqrt(expected / reads))


def test_the_paper_margin_is_six_standard_deviations_at_eight_rows():
    """0.5 LSB / (2.95 % sqrt 8) for MRAM, / (2.23 % sqrt 14) for SRAM."""
    assert 0.5 / (0.0295 * math.sqrt(8)) == pytest.approx(6.0, abs=0.01)
    assert 0.5 / (0.0223 * math.sqrt(14)) == pytest.approx(6.0, abs=0.01)


SHIFTED_CELL = Cell(model="mram", bits=1, on_off_ratio=2.5)
PEDESTAL = pedestal_lsb(SHIFTED_CELL)


def shift_all_currents(monkeypatch, shift):
    """Let every cell carry ``1 + shift`` times its current."""
    point = OperatingPoint(1 + shift, 1 + shift, 1 + shift, PEDESTAL * shift)
    monkeypatch.setattr("pimsim.analog.transfer.operating_point", lambda pvt, macro: point)
    return point


@pytest.mark.parametrize(("shift", "errs"), [(-0.0374, False), (-0.0376, True)])
def test_a_fixed_reference_tolerates_3_75_percent_at_eight_rows(monkeypatch, shift, errs):
    """0.5 / (8 + 8 * 2/3) = 3.75 %, because the pedestal moves too."""
    tolerance = 0.5 / (8 + 8 * PEDESTAL)
    assert tolerance == pytest.approx(0.0375)
    shift_all_currents(monkeypatch, shift)
    transfer = transfer_of(macro_of(8, SHIFTED_CELL, 9, reference="fixed"))
    assert (codes(8 * CURRENT_ONE, transfer) != 8) == errs


@pytest.mark.parametrize(("share_of_limit", "errs"), [(0.98, False), (1.02, True)])
def test_a_replica_leaves_only_what_it_does_not_track(monkeypatch, share_of_limit, errs):
    """Level 7.5 moves by 0.95 of the shift of its own total current, 7.5 + 8 * 2/3 LSB.

    The full read, 8 + 8 * 2/3 LSB in total, follows the shift ``e`` entirely; the two meet at
    ``0.5 + e * (13.333 - 0.95 * 12.833) = 0``, at a shift of -44 %.
    """
    limit = -0.5 / (40 / 3 - 0.95 * (7.5 + 16 / 3))
    assert limit == pytest.approx(-0.4380, abs=1e-4)
    shift_all_currents(monkeypatch, share_of_limit * limit)
    macro = macro_of(8, SHIFTED_CELL, 9, reference="replica", tracking_ratio=0.95)
    assert (codes(8 * CURRENT_ONE, transfer_of(macro)) != 8) == errs


@pytest.mark.parametrize("shift", [-0.1, -0.05, 0.05, 0.1])
@pytest.mark.parametrize("reference", ["fixed", "replica"])
def test_shares_of_wrong_reads_under_a_shift(monkeypatch, shift, reference):
    """Eight rows at RAP's variation: a fixed reference errs as the closed form says, 0.95 never."""
    cell = SHIFTED_CELL.model_copy(update={"sigma_on_ratio": 0.0295})
    tracking = {"fixed": None, "replica": 0.95}[reference]
    macro = macro_of(8, cell, 9, reference=reference, tracking_ratio=tracking)
    shift_all_currents(monkeypatch, shift)
    transfer, reads = transfer_of(macro), 20_000
    for k in range(9):
        digits = np.zeros((1, 8, reads), np.uint8)
        digits[0, :k] = 1
        drawn = program_cells(digits, macro, np.random.default_rng(k)).sum(axis=1).ravel()
        found = (codes(k * CURRENT_ONE + drawn, transfer) != k).mean()
        if reference == "replica":
            assert found == 0.0
            continue
        # in LSB of the shifted currents, the levels of a fixed reference lie at this place
        levels = (np.array([k - 0.5, k + 0.5]) - 8 * PEDESTAL * shift) / (1 + shift)
        sigma = math.sqrt(k + (8 - k) / 2.5**2) * 0.0295
        low = stats.norm.cdf((levels[0] - k) / sigma) if k > 0 else 0.0
        high = stats.norm.sf((levels[1] - k) / sigma) if k < 8 else 0.0
        expected = low + high
        assert found == pytest.approx(expected, abs=5 * math.sqrt(0.25 / reads) + 1e-9)


@pytest.mark.parametrize(
    "corner",
    [
        Pvt(process="ff", supply_v=0.99, temperature_degc=-40.0),
        Pvt(process="ss", supply_v=0.81, temperature_degc=125.0),
    ],
)
def test_at_worst_corners_only_the_replica_survives_eight_rows(corner):
    """RAP's MRAM macro as it is bundled, fixed against replica, converter errors off."""
    macro = load_architecture("rap").macros["mram"]
    assert macro.crossbar.active_rows == 8
    quiet = {"noise_ratio": None, "trim": "none"}
    shares = {}
    for reference, tracking in (("fixed", None), ("replica", 0.95)):
        adc = macro.adc.model_copy(
            update={**quiet, "reference": reference, "tracking_ratio": tracking}
        )
        one = macro.model_copy(update={"adc": adc})
        shares[reference] = max(wrong(one, k, 4_000, corner) for k in (1, 4, 7, 8))
    assert shares["fixed"] > 0.2
    assert shares["replica"] < 0.02


def test_the_nominal_point_errs_nowhere():
    macro = load_architecture("rap").macros["mram"]
    assert operating_point(None, macro) is NOMINAL
    assert max(wrong(macro, k, 4_000) for k in range(9)) == 0.0


def mram(active_rows, sigma=0.0295):
    """RAP's MRAM macro, its whole error budget in the cells, with a code for every count."""
    macro = load_architecture("rap").macros["mram"]
    cell = macro.crossbar.cell.model_copy(update={"sigma_on_ratio": sigma})
    crossbar = {"active_rows": active_rows, "cell": cell}
    adc = {"levels": active_rows + 1, "noise_ratio": None}
    return macro.model_copy(
        update={
            "crossbar": macro.crossbar.model_copy(update=crossbar),
            "adc": macro.adc.model_copy(update=adc),
        }
    )


def test_eight_rows_are_read_without_error_in_ten_million_trials():
    """arXiv 2411.14733, Fig. 9b: six sigma at eight rows, 1e-9 per read of eight ones."""
    assert closed_form(mram(8), 8) == pytest.approx(stats.norm.sf(0.5 / (0.0295 * 8**0.5)))
    assert measured(mram(8), 8, 10_000_000) == 0


@pytest.mark.parametrize("rows", [16, 32, 128, 1024])
def test_more_rows_of_the_same_cells_are_not(rows):
    """Measured within 5 binomial standard errors of the closed form, which is far from nothing."""
    reads = {16: 1_000_000, 32: 100_000}.get(rows, 10_000)
    share = closed_form(mram(rows), rows - 1)
    found = measured(mram(rows), rows - 1, reads, seed=rows)
    assert found > 0
    assert found / reads == pytest.approx(share, abs=5 * math.sqrt(share / reads))


def test_converter_noise_adds_to_the_variation_of_the_cells():
    macro = mram(8, sigma=0.05)
    noisy = macro.model_copy(update={"adc": macro.adc.model_copy(update={"noise_ratio": 0.02})})
    share, reads = closed_form(noisy, 5), 400_000
    assert share > 5 * closed_form(macro, 5)
    assert measured(noisy, 5, reads) / reads == pytest.approx(
        share, abs=5 * math.sqrt(share / reads)
    )


@pytest.mark.parametrize("reference", ["fixed", "replica"])
def test_closed_form_and_measurement_agree_at_a_corner(reference):
    corner = Pvt(process="ss", supply_v=0.81, temperature_degc=-40.0)
    macro = mram(8)
    adc = {"reference": reference, "trim": "none"}
    adc["tracking_ratio"] = 0.95 if reference == "replica" else None
    macro = macro.model_copy(update={"adc": macro.adc.model_copy(update=adc)})
    reads = 20_000
    for ones in (0, 3, 8):
        share = closed_form(macro, ones, corner)
        found = measured(macro, ones, reads, pvt=corner) / reads
        assert found == pytest.approx(share, abs=5 * math.sqrt(0.25 / reads))


@pytest.mark.parametrize(
    ("macro", "ones", "message"),
    [
        (mram(8), 9, "ones must be 0 to 8 of the active rows, got 9"),
        (
            macro_of(8, Cell(model="mram", bits=1), 8), 3,
            "a converter of 8 codes has none of its own for each of the 9 counts",
        ),
        (
            macro_of(8, Cell(model="mram", bits=2), 40), 3,
            "read errors are counted for one bit per cell and input cycle",
        ),
    ],
)  # fmt: skip
def test_what_has_no_count_of_its_own_is_an_error(macro, ones, message):
    with pytest.raises(ModelRangeError, match=message):
        closed_form(macro, ones)
