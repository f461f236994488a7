"""Every registered unit fulfils the contract, and no float hides in the package."""

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest

import pimsim.integer
from pimsim.errors import NotFoundError
from pimsim.integer import (
    DyadicAdd,
    DyadicMultiply,
    DyadicRequantize,
    FqVitLayerNorm,
    FqVitSoftmax,
    IBertGelu,
    IBertLayerNorm,
    IBertRmsNorm,
    IBertSilu,
    IBertSoftmax,
    ILlmSoftmax,
    IVitGelu,
    IVitLayerNorm,
    IVitSilu,
    IVitSoftmax,
    LeadingOneShift,
    Rectify,
    ShiftRequantize,
    Softermax,
    TableGelu,
    TableRotary,
    TableSilu,
    VdrSoftmax,
    emsb_q,
    qrazor_sdr,
    quartz_lzs,
)
from pimsim.registry import UNITS
from pimsim.testing import check_integer_unit

CODES = np.random.default_rng(0).integers(-(2**15), 2**15, (5, 8)).astype(np.int16)
POLYNOMIAL = {"q_ln2": 693, "q_b": 2707, "q_c": 2792115, "input_bits": 16}
GAIN = {"gain": (9, 8, 7, 6, 5, 4, 3, 2), "input_bits": 16}
HALF_UP = {"output_bits": 7, "rounding": "half_up", "input_bits": 16}
TABLE = {"table": tuple(range(-8, 9)), "input_bits": 16, "output_bits": 5}
VDR = {
    "first_exponent": -4,
    "q_ln2": (1109, 555, 277, 139, 69, 35, 17, 9, 4, 2),
    "inverse": (59, 118, 237, 471, 950, 1872, 3855, 7282, 16384, 32768),
    "q_b": (4332, 2166, 1083, 541, 271, 135, 68, 34, 17, 8),
    "q_c": (7147802, 1786950, 446738, 111684, 27921, 6980, 1745, 436, 109, 27),
    "output_shift": (15, 13, 11, 9, 7, 5, 3, 1, -1, -3),
}
UNITS_OF_ONE_OPERAND = (
    DyadicRequantize(multiplier=20000, shift=20, input_bits=16, output_bits=8),
    FqVitLayerNorm(alpha=(0, 1, 2, 3) * 2, bias=(1,) * 8, epsilon=3, **GAIN),
    FqVitSoftmax(**POLYNOMIAL),
    IBertGelu(q_clip=2501, q_c=6925207, input_bits=16),
    IBertLayerNorm(bias=(1,) * 8, epsilon=3, **GAIN),
    IBertRmsNorm(epsilon=3, **GAIN),
    IBertSilu(sigmoid_bits=15, **POLYNOMIAL),
    IBertSoftmax(output_bits=7, rounding="half_up", **POLYNOMIAL),
    ILlmSoftmax(multiplier=17895, shift=20, **HALF_UP),
    IVitGelu(one=587, sigmoid_bits=15, input_bits=16),
    IVitLayerNorm(bias=(1,) * 8, **GAIN),
    IVitSilu(one=1000, sigmoid_bits=7, input_bits=16),
    IVitSoftmax(one=1000, **HALF_UP),
    Rectify(input_bits=16),
    ShiftRequantize(shift=9, input_bits=16, output_bits=8),
    Softermax(
        multiplier=24204, shift=16, integer_bits=6, fraction_bits=8, sum_fraction_bits=6,
        reciprocal_bits=7, window=3, **HALF_UP,
    ),
    TableGelu(**TABLE),
    TableSilu(**TABLE),
    VdrSoftmax(input_bits=16, **VDR),
)  # fmt: skip
NAMED_SETTINGS = {"emsb_q": emsb_q, "qrazor_sdr": qrazor_sdr, "quartz_lzs": quartz_lzs}
"""Registered constructors of one unit, the leading-one shift."""
SAMPLES = {
    **{unit.name: (unit, (CODES,)) for unit in UNITS_OF_ONE_OPERAND},
    **{name: (make(input_bits=16), (CODES,)) for name, make in NAMED_SETTINGS.items()},
    "dyadic_add": (
        DyadicAdd(
            multipliers=(20000, (1 << 14,) * 8), shifts=(14, 18), input_bits=(16, 16), output_bits=8
        ),
        (CODES, CODES[::-1]),
    ),
    "dyadic_multiply": (
        DyadicMultiply(multiplier=20000, shift=30, input_bits=(16, 16), output_bits=8),
        (CODES, CODES[::-1]),
    ),
    "table_rotary": (
        TableRotary(positions=5, length=8, fraction_bits=14, input_bits=16, output_bits=16),
        (CODES, CODES[::-1], CODES >> 1),
    ),
}
SOURCES = sorted(Path(pimsim.integer.__file__).parent.glob("*.py"))
FLOAT_NAMES = frozenset(
    {
        "float",
        "float16",
        "float32",
        "float64",
        "float128",
        "longdouble",
        "half",
        "single",
        "double",
        "floating",
        "inexact",
        "complex",
        "complex64",
        "complex128",
        "sqrt",
        "exp",
        "log",
        "log2",
        "mean",
        "average",
        "std",
        "var",
        "true_divide",
        "divide",
        "reciprocal",
        "power",
        "rint",
        "round",
        "around",
        "ceil",
        "floor",
        "trunc",
        "ldexp",
        "frexp",
    }
)


def test_every_registered_unit_has_a_sample_here():
    assert set(SAMPLES) == {
        name for name in UNITS.names() if not name.startswith(("fp16_", "fp32_"))
    } - {"digital_mac"}  # works on matrices, not on rows: test_digital_mac.py


@pytest.mark.parametrize("name", SAMPLES)
def test_the_contract_holds(name):
    unit, operands = SAMPLES[name]
    if name in NAMED_SETTINGS:
        assert UNITS[name] is NAMED_SETTINGS[name]
        assert type(unit) is LeadingOneShift
    else:
        assert UNITS[name] is type(unit)
        assert unit.name == name
    check_integer_unit(unit, *operands)


@pytest.mark.parametrize("name", SAMPLES)
def test_units_are_values(name):
    """Frozen, hashable, equal by constants, and they travel between processes."""
    unit, _ = SAMPLES[name]
    copy = pickle.loads(pickle.dumps(unit))  # noqa: S301  our own bytes
    assert copy == unit
    assert hash(copy) == hash(unit)
    with pytest.raises(AttributeError):
        unit.input_bits = 3


def test_leading_axes_are_rows():
    for unit, operands in SAMPLES.values():
        stacked = [np.stack([operand, operand[::-1]]) for operand in operands]
        flat = [operand.reshape(-1, 8) for operand in stacked]
        assert np.array_equal(unit(*stacked).values.reshape(-1, 8), unit(*flat).values)


def test_an_unknown_unit_gets_the_nearest_name():
    with pytest.raises(NotFoundError, match="unknown digital unit 'ibert_softmx'; did you mean"):
        UNITS["ibert_softmx"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_package_computes_with_integers_only(source):
    """No float literal, no true division, no name of a float type or function."""
    for node in ast.walk(ast.parse(source.read_text())):
        where = f"{source.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float | complex), where
        if isinstance(node, ast.BinOp | ast.AugAssign):
            assert not isinstance(node.op, ast.Div), where
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            assert name not in FLOAT_NAMES, f"{where}: {name}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] + [getattr(node, "module", "")]
            assert not {"math", "cmath", "decimal", "random", "scipy"} & set(modules), where


def test_sources_were_found():
    assert {"requantize", "ibert_softmax", "ibert_gelu", "ibert_layer_norm"} <= {
        path.stem for path in SOURCES
    }
