"""Cut codes are small; a known factor brings them back to the mean."""

import numpy as np
import pytest

from pimsim.config.architecture import Numerics
from pimsim.functional.accuracy import signal_to_noise_db
from pimsim.integer.leading_one import qrazor_sdr, quartz_lzs
from pimsim.quantization import calibrate
from pimsim.quantization.cut_gain import column_gains, driven_gains
from pimsim.quantization.forms import OperandForm
from tests.quantization.traced import RAP, Traced, run_float, run_ideal, shapes_only

CUT = OperandForm(8, quartz_lzs(group_size=16))
ROUNDED = OperandForm(8, qrazor_sdr(group_size=16))


def layer(cols: int = 6):
    traced = Traced()
    return traced.build(traced.linear("a", traced.input("x", 9, 64), cols, bias=False))


def test_the_gain_is_the_best_factor_in_the_least_squares_sense():
    codes = np.random.default_rng(0).integers(-127, 128, (64, 3))
    gains = column_gains(codes, CUT.compression)
    cut = CUT.compression.decode(CUT.compression.encode(codes, axis=0), axis=0)
    for column, gain in enumerate(gains):
        exact = np.linalg.lstsq(cut[:, [column]].astype(float), codes[:, column], rcond=None)[0]
        assert gain == pytest.approx(exact[0], rel=2**-11)
        assert gain > 1.0


def test_rounded_codes_need_none():
    workload = layer()
    assert column_gains(np.ones((4, 4), np.int64), ROUNDED.compression) is None
    assert driven_gains(workload, calibrate(workload), ROUNDED) == {}
    assert driven_gains(shapes_only(workload), None, CUT) == {}


def test_zeros_keep_their_scale():
    assert column_gains(np.zeros((16, 2), np.int64), CUT.compression).tolist() == [1.0, 1.0]


def test_exact_codes_have_gain_one():
    """Magnitudes of up to three bits are not cut."""
    codes = np.random.default_rng(0).integers(-7, 8, (64, 3))
    assert column_gains(codes, CUT.compression).tolist() == [1.0] * 3


def test_patches_of_an_image_are_grouped_as_the_chip_groups_them():
    traced = Traced()
    kernel = traced.random("kernel", 4, 3, 2, 3)
    geometry = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    out = traced.op("c", "convolution", traced.input("x", 3, 5, 6), kernel, **geometry)
    workload = traced.build(out)
    (gain,) = driven_gains(workload, calibrate(workload), CUT).values()
    assert 1.0 < gain < 1.2


def test_the_outputs_are_no_longer_too_small():
    """The least-squares factor of each operand leaves the square of its correlation, 0.98 to 1."""
    workload = layer(cols=200)
    chip = RAP.model_copy(update={"numerics": Numerics(scheme="quartz_w4a4")})
    exact = run_float(workload)["a:out"]
    found = run_ideal(workload, chip).outputs["a:out"]
    assert (exact * found).sum() / (exact * exact).sum() == pytest.approx(0.98, abs=0.02)
    assert signal_to_noise_db(exact, [found]) > 15
