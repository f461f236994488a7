"""Integer softmaxes between floating-point dequantize and quantize."""

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.errors import MappingError, QuantizationError
from pimsim.functional.accuracy import signal_to_noise_db
from pimsim.integer.requantize import DyadicRequantize
from pimsim.integer.vdr_normalize import VdrNormalize
from pimsim.quantization import calibrate, constants, quantize, rap_constants, unit_constants
from pimsim.quantization.dqq_softmax import INTEGER
from tests.quantization.test_rap_int8p1 import executed, masked_attention
from tests.quantization.traced import (
    CONVENTIONAL,
    Traced,
    mapped,
    run_float,
    run_ideal,
    shapes_only,
    transformer_block,
)

MODELS = (*INTEGER, "vdr_softmax")


def chip(model, *settings):
    """The conventional chip with another softmax, and drivers for 8 bits beside a sign."""
    units = (f"units.softmax.model={model}", "macros.sram.inputs.bits=9")
    return load_architecture("conventional", overrides=[*units, *settings])


def tensors(workload, model):
    """Every tensor of a run on the evaluation samples, and the calibrated peaks."""
    found = executed(quantize(workload, chip(model)), workload.samples.evaluation)
    return found, calibrate(workload)


def float_codes(real, step, bits):
    """Quantization as a floating-point unit does it: one division, rounded to even, limited."""
    limit = (1 << (bits - 1)) - 1
    return np.clip(np.rint(real / np.float32(step)), -limit, limit).astype(np.int16)


def test_vdr_softmax_is_the_composition_of_its_parts_bit_for_bit():
    """Float logits, codes of sign + 8, entry 0, exact sums, table of reciprocals, float again.

    The constant factor 1/2 (four channels per head) waits on the logits, so that they come
    unscaled and their step is twice that of the scaled ones.
    """
    found, peaks = tensors(transformer_block(), "vdr_softmax")
    scale = peaks["attn.scale:out"] / 255
    logits = float_codes(found["attn.logits:out"], scale / 0.5, 9)
    assert np.array_equal(found["attn.softmax.logits"], logits)
    unit, _ = rap_constants.vdr_softmax(scale, 9)
    codes, sums, saturations = unit.encode(logits)
    assert saturations == 0
    assert np.array_equal(found["attn.softmax:out"], codes)
    values = found["attn.v.heads:out.int8"].astype(np.int64)
    means = VdrNormalize(method="reciprocal_lut", input_bits=32, output_bits=18)(
        codes.astype(np.int64) @ values, sums
    ).values
    step = np.float32(2.0**-8 * peaks["attn.v.heads:out"] / 127)
    assert np.array_equal(found["attn.context:out"], means.astype(np.float32) * step)


@pytest.mark.parametrize("model", INTEGER)
def test_an_integer_softmax_is_the_composition_of_its_parts_bit_for_bit(model):
    """Float logits, 16-bit codes, the unit, a multiplier and a shift, exact sums, float again."""
    found, peaks = tensors(transformer_block(), model)
    scale = 2 * peaks["attn.scale:out"] / 32767
    logits = float_codes(found["attn.logits:out"], scale / 0.5, 16)
    assert np.array_equal(found["attn.softmax.logits"], logits)
    unit, step = unit_constants.softmax(model, scale, 16)
    own = peaks["attn.softmax:out"] / 127
    multiplier, shift = constants.dyadic(step / own)
    to_codes = DyadicRequantize(
        multiplier=multiplier, shift=shift, input_bits=16, output_bits=8, symmetric=True
    )
    codes = to_codes(unit(logits).values).values
    assert np.array_equal(found["attn.softmax:out"], codes)
    sums = codes.astype(np.int64) @ found["attn.v.heads:out.int8"].astype(np.int64)
    step = np.float32(own * peaks["attn.v.heads:out"] / 127)
    assert np.array_equal(found["attn.context:out"], sums.astype(np.float32) * step)


@pytest.mark.parametrize("model", MODELS)
def test_a_transformer_block_stays_close_to_float32(model):
    workload = transformer_block(evaluation=40)
    exact = run_float(workload)["head:out"]
    found = run_ideal(workload, chip(model)).outputs["head:out"]
    assert signal_to_noise_db(exact, [found]) > 25


@pytest.mark.parametrize("model", MODELS)
def test_a_shape_only_graph_has_the_same_operations(model):
    """And the same work, but for Softermax, whose registers are as wide as its logits reach."""
    workload, architecture = transformer_block(), chip(model)
    one, other = (quantize(each, architecture) for each in (workload, shapes_only(workload)))
    assert [op.name for op in one.ops] == [op.name for op in other.ops]
    work = [[op.hardware and op.hardware.operations(5) for op in each.ops] for each in (one, other)]
    assert work[0] == work[1] or model == "softermax"


@pytest.mark.parametrize("model", MODELS)
def test_masked_elements_have_code_zero_and_no_part_in_the_scale(model):
    """The mask fills in -1e9, which is no logit."""
    workload = masked_attention()
    inputs = dict(workload.samples.evaluation)
    inputs["keep"] = np.tile(np.array([[[True, True, False]]]), (len(inputs["xq"]), 1, 1))
    found = executed(quantize(workload, chip(model)), inputs)
    assert not found["softmax:out"][..., 2].any()
    assert (found["softmax:out"][..., :2] > 0).any()


def operations(model):
    """Kind → number for one row of six, by operation of the graph."""
    found = {}
    for op in quantize(transformer_block(), chip(model)).ops:
        if op.hardware is not None:
            counts = found.setdefault(op.name, {})
            for operation, count in op.hardware.operations(6).items():
                counts[operation.kind] = counts.get(operation.kind, 0) + count
    return found


def test_the_boundary_and_what_replaces_the_division_are_paid_for():
    """Per logit a conversion, a multiplication, two limits; per mean a multiplication by a byte."""
    vdr, ibert, floating = (operations(f"{name}_softmax") for name in ("vdr", "ibert", "fp32"))
    boundary = {"convert": 6, "fp_multiply": 6, "compare": 12}
    assert vdr["attn.softmax.logits"] == ibert["attn.softmax.logits"] == boundary
    assert "attn.softmax.logits" not in floating
    assert {"fp_exp", "fp_divide"} <= floating["attn.softmax"].keys()
    for found in (vdr, ibert):
        assert not any(kind.startswith("fp_") for kind in found["attn.softmax"])
    assert "divide" not in vdr["attn.softmax"]
    assert ibert["attn.softmax"]["divide"] == 1
    assert vdr["attn.context.normalize"]["multiply"] == 6
    assert "attn.context.normalize" not in ibert
    assert "attn.softmax:out.int8" in floating
    assert "attn.softmax:out.int8" not in ibert


def test_an_integer_softmax_saves_the_quantization_of_its_probabilities():
    """The last stage of the unit is one rescaling per element, as in the integer schemes."""
    rescaling = DyadicRequantize(
        multiplier=1 << 14, shift=20, input_bits=16, output_bits=8, symmetric=True
    )
    own, _ = unit_constants.softmax("ibert_softmax", 0.01, 16)
    softmax = next(
        op
        for op in quantize(transformer_block(), chip("ibert_softmax")).ops
        if op.name == "attn.softmax"
    )
    added = len(softmax.hardware.per_element) - len(own.hardware.per_element)
    assert added == len(rescaling.hardware.per_element)


def test_the_probe_turns_codes_back_to_probabilities():
    workload = transformer_block()
    quantized = quantize(workload, chip("vdr_softmax")).with_probes()
    found = executed(quantized, workload.samples.evaluation)["attn.softmax:out.probe"]
    assert np.allclose(found.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_the_graph_is_placed_on_the_chip(model):
    placed = mapped(transformer_block(), chip(model))
    names = {op.name for op in placed.quantized.ops}
    assert {"attn.softmax.logits", "attn.softmax", "attn.context.dequantize"} <= names


def shared_probabilities():
    """Probabilities that are an output of the network, too."""
    traced = Traced()
    q, k = (traced.linear(name, traced.input(f"x{name}", 3, 4), 4) for name in "qk")
    turned = traced.op("turn", "permute", k, axes=(0, 2, 1))
    weights = traced.op("softmax", "softmax", traced.op("logits", "matmul", q, turned), axis=-1)
    return traced.build(traced.op("context", "matmul", weights, k), weights)


@pytest.mark.parametrize("model", MODELS)
def test_probabilities_that_something_else_takes_are_refused(model):
    with pytest.raises(
        QuantizationError,
        match=rf"^op 'softmax': {model} yields 8-bit codes that drive the word lines of a product, "
        "and something else takes them here; choose a floating-point softmax, such as "
        "'fp32_softmax'$",
    ):
        quantize(shared_probabilities(), chip(model))


def test_logits_beyond_the_table_are_refused():
    """At 1,000 times the logits one step is more than ln 2 / 1.5."""
    workload = transformer_block()
    workload.weights["attn.q.weight"][...] *= 1000
    workload.weights["attn.q.bias"][...] *= 1000
    with pytest.raises(
        QuantizationError,
        match=r"^op 'attn.softmax': logits reach [\d.]+ on calibration samples, in steps of "
        r"[\d.]+: beyond the table of vdr_softmax; choose a softmax with 16-bit logits, such as "
        r"'ibert_softmax'$",
    ):
        quantize(workload, chip("vdr_softmax"))
    quantize(workload, chip("ibert_softmax"))


def test_a_softmax_of_powers_of_two_is_refused():
    with pytest.raises(
        QuantizationError,
        match=r"units\.softmax\.model is 'fqvit_softmax', but numerics\.scheme 'int8_dqq' builds "
        "'fp16_softmax', 'fp32_softmax', 'ibert_softmax', 'illm_softmax', 'ivit_softmax', "
        "'softermax' or 'vdr_softmax'",
    ):
        quantize(transformer_block(), chip("fqvit_softmax"))


@pytest.mark.parametrize("method", ["shift", "paper"])
def test_a_normalization_that_needs_static_gains_is_refused(method):
    with pytest.raises(
        QuantizationError,
        match=rf"^numerics\.normalization is '{method}', which leaves a factor in every row that "
        "scheme 'int8_dqq' has no static gains for; set it to 'reciprocal_lut', or choose scheme "
        "'rap_int8p1'$",
    ):
        quantize(transformer_block(), chip("vdr_softmax", f"numerics.normalization={method}"))


@pytest.mark.parametrize("model", ["fp32_softmax", "ibert_softmax"])
def test_normalization_belongs_to_vdr_softmax(model):
    with pytest.raises(QuantizationError, match=r"^numerics\.normalization means nothing to"):
        quantize(transformer_block(), chip(model, "numerics.normalization=reciprocal_lut"))


def test_the_table_of_reciprocals_is_what_vdr_softmax_has_anyway():
    workload = transformer_block()
    plain = run_ideal(workload, chip("vdr_softmax")).outputs["head:out"]
    given = chip("vdr_softmax", "numerics.normalization=reciprocal_lut")
    assert np.array_equal(plain, run_ideal(workload, given).outputs["head:out"])


def test_codes_of_eight_bits_without_a_sign_need_drivers_of_nine():
    """The message names the key."""
    with pytest.raises(
        MappingError, match=r"has 8 bits and no sign, but macros\.sram\.inputs\.bits is 8"
    ):
        mapped(
            transformer_block(),
            load_architecture("conventional", overrides=["units.softmax.model=vdr_softmax"]),
        )


def test_the_floating_softmax_is_untouched():
    """The conventional chip has no operation that an integer softmax would bring."""
    names = {op.name for op in quantize(transformer_block(), CONVENTIONAL).ops}
    assert not {name for name in names if name.endswith((".logits", ".normalize"))} - {
        "attn.logits"
    }
