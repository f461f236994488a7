"""Products whose operands have another scheme's width."""

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.errors import QuantizationError
from pimsim.functional import run_exact
from pimsim.quantization import check_scheme, quantize
from tests.quantization.traced import mapped, shapes_only, transformer_block


def chip(scheme: str, *overrides: tuple[str, str]):
    entries = ", ".join(f"{{ops: '{ops}', scheme: {other}}}" for ops, other in overrides)
    settings = [f"numerics.scheme={scheme}", f"numerics.overrides=[{entries}]"]
    return load_architecture("rap_int8", overrides=settings)


def widths(quantized) -> dict[str, tuple[int, int | None]]:
    """Product → width of its driven operand and of its weights."""
    return {
        op.name: (quantized.tensors[op.inputs[0]].encoding.bits, op.weight_bits)
        for op in quantized.ops
        if op.is_product
    }


def test_only_matching_products_change_their_operands():
    workload = transformer_block()
    found = widths(quantize(workload, chip("int8_dyadic", ("attn.*", "int4"))))
    narrow = {name for name, (bits, _) in found.items() if bits == 4}
    assert narrow == {name for name in found if name.startswith("attn.")}
    assert found["attn.q"] == (4, 4)
    assert found["up"] == (8, 8)


def test_the_last_matching_pattern_counts():
    workload = transformer_block()
    found = widths(quantize(workload, chip("int4", ("*", "int8_dyadic"), ("up", "int4"))))
    assert found.pop("up") == (4, 4)
    assert {bits for bits, _ in found.values()} == {8}


def test_overriding_all_is_the_other_scheme():
    workload = transformer_block(evaluation=20)
    assert workload.samples is not None
    inputs = workload.samples.evaluation
    mixed = run_exact(quantize(workload, chip("int4", ("*", "int8_dyadic"))), inputs, {})
    plain = run_exact(quantize(workload, chip("int8_dyadic")), inputs, {})
    assert np.array_equal(mixed["head:out"], plain["head:out"])


def test_a_tensor_serves_readers_of_both_widths():
    """Queries round the 8-bit tensor once more; keys and values take it as it is."""
    quantized = quantize(transformer_block(), chip("int8_dyadic", ("attn.q", "int4")))
    product = {op.name: op for op in quantized.ops if op.is_product}
    assert product["attn.q"].inputs == ("norm1:out.int4",)
    assert product["attn.k"].inputs == product["attn.v"].inputs == ("norm1:out",)
    narrow, wide = (quantized.tensors[name].encoding for name in ("norm1:out.int4", "norm1:out"))
    assert narrow.scale is not None
    assert wide.scale is not None
    assert narrow.scale == pytest.approx(wide.scale * 127 / 7)


def test_narrow_operands_reach_the_macros():
    placed = mapped(transformer_block(), chip("int8_dyadic", ("up", "int4")))
    bits = {
        op.op.name: (op.placement.driven_bits, op.placement.stored_bits)
        for op in placed.ops
        if op.placement is not None
    }
    assert bits["up"] == (4, 4)
    assert bits["down"] == (8, 8)


def test_shapes_alone_have_the_same_widths():
    workload, architecture = transformer_block(), chip("int8_dyadic", ("attn.*", "int4"))
    assert widths(quantize(workload, architecture)) == widths(
        quantize(shapes_only(workload), architecture)
    )


@pytest.mark.parametrize(
    ("scheme", "override", "message"),
    [
        (
            "int8_dyadic",
            ("mpl.*", "int4"),
            "'mpl.*' matches none of the 10 products of workload 'by_hand', such as 'embed'",
        ),
        (
            "int8_dyadic",
            ("up", "qrazor_w4a4"),
            "scheme 'qrazor_w4a4' does not mix with others; choose one of int4, int8_dyadic",
        ),
    ],
)
def test_what_cannot_be_mixed_is_told(scheme, override, message):
    with pytest.raises(QuantizationError) as caught:
        quantize(transformer_block(), chip(scheme, override))
    assert str(caught.value) == f"numerics.overrides: {message}"


@pytest.mark.parametrize("scheme", ["qrazor_w4a4", "quartz_w4a4"])
def test_schemes_of_groups_take_no_overrides(scheme):
    with pytest.raises(QuantizationError, match=r"numerics\.overrides means nothing to scheme"):
        quantize(transformer_block(), chip(scheme, ("up", "int4")))


def test_a_chip_is_checked_without_a_network():
    check_scheme(chip("int8_dyadic", ("some.op", "int4")))
