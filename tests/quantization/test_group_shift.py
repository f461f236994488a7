"""4-bit schemes on whole graphs: which operations they add, and what the numbers are."""

from fractions import Fraction

import numpy as np
import pytest

from pimsim.config.architecture import Architecture, Numerics
from pimsim.functional import run_exact
from pimsim.quantization import calibrate, quantize
from pimsim.quantization.compression import group_count
from pimsim.workload.graph import Workload
from pimsim.workload.shapes import resolve_shape
from tests.quantization.traced import RAP, Traced, run_ideal, shapes_only, transformer_block

GROUPED = ("qrazor_w4a4", "qrazor_w4a8", "qrazor_w4a4kv4", "quartz_w4a4")


def chip(scheme: str, **numerics) -> Architecture:
    return RAP.model_copy(update={"numerics": Numerics(scheme=scheme, **numerics)})


def samples(workload: Workload, name: str = "x") -> np.ndarray:
    assert workload.samples is not None
    return workload.samples.evaluation[name]


def to_codes(values: np.ndarray, scale: float, bits: int) -> np.ndarray:
    limit = 2 ** (bits - 1) - 1
    codes = [round(Fraction(float(value)) / Fraction(scale)) for value in values.ravel()]
    return np.clip(np.array(codes, object).reshape(values.shape), -limit, limit)


def razored(row: list[int]) -> list[int]:
    """One group as QRazor keeps it, in Python's integers: what the codes stand for."""
    places = max(0, max(abs(value) for value in row).bit_length() - 3)
    kept = [min(7, (abs(value) + ((1 << places) >> 1)) >> places) << places for value in row]
    return [-value if code < 0 else value for code, value in zip(row, kept, strict=True)]


def in_groups(rows: np.ndarray, group: int) -> np.ndarray:
    """Every group along the last axis."""
    flat = [
        [
            kept
            for start in range(0, len(row), group)
            for kept in razored(row[start : start + group])
        ]
        for row in rows.reshape(-1, rows.shape[-1]).tolist()
    ]
    return np.array(flat, object).reshape(rows.shape)


def close_to(found: np.ndarray, exact: np.ndarray, peak: float) -> None:
    """Within a step of the 16-bit output, whose range is twice the peak."""
    assert np.abs(found - exact.astype(float)).max() <= 1.5 * 2 * peak / 32767


@pytest.mark.parametrize(("group", "basis"), [(4, 16), (4, 8), (16, 16)])
def test_a_linear_layer_multiplies_razored_integers(group, basis):
    """Seven inputs: the last group is shorter."""
    traced = Traced()
    workload = traced.build(traced.linear("a", traced.input("x", 3, 7), 5, bias=False))
    peaks = calibrate(workload)
    x_step = peaks["x"] / (2 ** (basis - 1) - 1)
    weights = workload.weights["a.weight"].astype(float)
    scales = np.abs(weights).max(axis=1) / 127
    codes = in_groups(np.rint(weights / scales[:, None]).astype(int).astype(object), group)
    driven = in_groups(to_codes(samples(workload), x_step, basis), group)
    exact = driven @ codes.T * (x_step * scales)
    found = run_ideal(workload, chip("qrazor_w4a4", group=group, basis_bits=basis))
    close_to(found.outputs["a:out"], exact, peaks["a:out"])


@pytest.mark.parametrize("compressed", [False, True], ids=["kv8", "kv4"])
def test_stored_operands_are_grouped_along_the_sum(compressed):
    """A product of two computed operands: groups of the second lie along its rows."""
    traced = Traced()
    a, b = traced.input("a", 2, 3, 6), traced.input("b", 2, 6, 5)
    workload = traced.build(traced.op("m", "matmul", a, b))
    peaks = calibrate(workload)
    a_step, b_step = peaks["a"] / 32767, peaks["b"] / 127
    driven = in_groups(to_codes(samples(workload, "a"), a_step, 16), 4)
    stored = to_codes(samples(workload, "b"), b_step, 8)
    if compressed:
        stored = in_groups(stored.swapaxes(-1, -2), 4).swapaxes(-1, -2)
    exact = driven @ stored * (a_step * b_step)
    scheme = "qrazor_w4a4kv4" if compressed else "qrazor_w4a4"
    found = run_ideal(workload, chip(scheme, group=4)).outputs["m:out"]
    close_to(found, exact, peaks["m:out"])


def test_plain_four_bits_are_fifteen_codes():
    traced = Traced()
    workload = traced.build(traced.linear("a", traced.input("x", 3, 7), 5, bias=False))
    peaks = calibrate(workload)
    x_step, weights = peaks["x"] / 7, workload.weights["a.weight"].astype(float)
    scales = np.abs(weights).max(axis=1) / 7
    codes = np.rint(weights / scales[:, None]).astype(int).astype(object)
    exact = to_codes(samples(workload), x_step, 4) @ codes.T * (x_step * scales)
    found = run_ideal(workload, chip("int4")).outputs["a:out"]
    close_to(found, exact, peaks["a:out"])


@pytest.mark.parametrize("scheme", GROUPED)
def test_an_operand_of_several_products_is_compressed_once(scheme):
    quantized = quantize(transformer_block(), chip(scheme))
    compressions = [op for op in quantized.ops if op.shifts is not None]
    assert len({op.output for op in compressions}) == len(compressions)
    takers = [op for op in quantized.ops if "norm1:out.compressed" in op.inputs]
    assert [op.name for op in takers] == ["attn.q", "attn.k", "attn.v"]
    for op in quantized.ops:
        if op.is_product:
            assert op.groups is not None
            wanted = (op.groups.driven, op.groups.stored)
            assert op.inputs[-sum(name is not None for name in wanted) :] == tuple(
                name for name in wanted if name is not None
            )
            assert (op.groups.stored is not None) == (
                scheme.endswith("kv4") and op.kind == "dynamic_product"
            )


@pytest.mark.parametrize("scheme", ["int4", *GROUPED])
def test_shapes_alone_give_the_same_operations(scheme):
    workload = transformer_block(tokens="seq", seq=(2, 40))
    full, bare = (quantize(work, chip(scheme)) for work in (workload, shapes_only(workload)))
    assert [(op.name, op.kind, op.inputs, op.output, op.shifts) for op in full.ops] == [
        (op.name, op.kind, op.inputs, op.output, op.shifts) for op in bare.ops
    ]
    assert [op.hardware for op in full.ops if op.shifts] == [
        op.hardware for op in bare.ops if op.shifts
    ]
    for name, tensor in full.tensors.items():
        assert (tensor.shape, tensor.encoding.bits) == (
            bare.tensors[name].shape,
            bare.tensors[name].encoding.bits,
        )


@pytest.mark.parametrize("scheme", GROUPED)
def test_declared_shapes_and_widths_of_shifts_are_those_of_the_values(scheme):
    workload = transformer_block(tokens=7, width=12)
    quantized = quantize(workload, chip(scheme, group=8))
    seen = {}

    def observe(op, values, saturations):
        if op.shifts is not None:
            seen[op.name] = op
            assert np.abs(values).max() < 1 << (quantized.tensors[op.output].encoding.bits - 1)
            found = op.execute([inputs[op.inputs[0]]], {"batch": 6}).shifts
            declared = quantized.tensors[op.shifts]
            assert found.shape == resolve_shape(declared.shape, {"batch": 6})
            assert 0 <= found.min() <= found.max() < 1 << declared.encoding.bits
        inputs[op.output] = values

    inputs: dict[str, np.ndarray] = dict(workload.samples.evaluation)
    run_exact(quantized, workload.samples.evaluation, {}, observe=observe)
    assert seen


def test_a_convolution_is_grouped_along_its_patches():
    traced = Traced()
    x, bias = traced.input("x", 3, 5, 6), traced.random("bias", 4)
    kernel = traced.random("kernel", 4, 3, 2, 3)
    geometry = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    workload = traced.build(traced.op("c", "convolution", x, kernel, bias, **geometry))
    quantized = quantize(workload, chip("qrazor_w4a4"))
    product = next(op for op in quantized.ops if op.is_product)
    assert product.weights.shape == (18, 4)
    assert product.groups.weights.shape == (2, 4)
    assert resolve_shape(quantized.tensors[product.groups.driven].shape, {"batch": 1}) == (1, 16, 2)
    error = np.abs(
        run_ideal(workload, chip("qrazor_w4a4")).outputs["c:out"]
        - run_ideal(workload, RAP).outputs["c:out"]
    )
    assert error.max() < 0.3 * calibrate(workload)["c:out"]


def test_a_bias_fits_the_wide_accumulator():
    """A bias far larger than the products, on a 16-bit basis: more than 32 bits of codes."""
    traced = Traced()
    out = traced.linear("a", traced.input("x", 8), 4)
    traced.weights["a.bias"][:] = 40.0
    workload = traced.build(out)
    found = run_ideal(workload, chip("qrazor_w4a4")).outputs["a:out"]
    exact = samples(workload) @ workload.weights["a.weight"].T + 40.0
    assert np.abs(found - exact).max() < 1.0


def test_groups_of_a_symbolic_axis_are_counted_when_it_is_known():
    assert resolve_shape([group_count("seq + 1", 16)], {"seq": 31}) == (2,)
    assert resolve_shape([group_count("seq + 1", 16)], {"seq": 32}) == (3,)
    assert group_count(32, 16) == 2
