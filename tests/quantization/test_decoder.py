"""Token ids, masks, positions, rotary embedding, gates: what decoders bring beyond encoders."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.functional import IdealEngine, execute
from pimsim.mapping import map_workload
from pimsim.quantization import quantize
from pimsim.quantization.encodings import without_activations
from pimsim.workload.graph import Workload
from tests.quantization.traced import (
    CONVENTIONAL,
    RAP,
    VOCABULARY,
    Traced,
    mapped,
    run_float,
    run_ideal,
    shapes_only,
)

INTEGER = load_architecture(
    "rap_int8",
    overrides=[
        "units.rms_norm={model: ibert_rms_norm, lanes: 64}",
        "units.silu={model: ibert_silu, lanes: 64}",
        "units.rotary={model: table_rotary, lanes: 64}",
    ],
)
FLOATING = load_architecture(
    "conventional",
    overrides=[
        "units.rms_norm={model: fp32_rms_norm, lanes: 64}",
        "units.silu={model: fp32_silu, lanes: 64}",
        "units.rotary={model: fp32_rotary, lanes: 64}",
    ],
)
WITH_UNITS = pytest.mark.parametrize("architecture", [INTEGER, FLOATING], ids=lambda a: a.name)
EVERY = pytest.mark.parametrize("architecture", [RAP, CONVENTIONAL], ids=lambda a: a.name)

WIDTH, HEADS, DEPTH, TOKENS = 16, 2, 8, 6


def causal(traced: Traced) -> str:
    """Truth values (seq, seq): a token sees itself and those before it."""
    keys = traced.op("positions", "arange", start=0, stop="seq", step=1)
    queries = traced.op("rows", "view", keys, shape=("seq", 1))
    return traced.op("causal", "le", keys, queries)


def rotated(traced: Traced, name: str, x: str, *, interleaved: bool) -> str:
    return traced.op(name, "rotary", x, "cosine:out", "sine:out", interleaved=interleaved)


def llama(*, interleaved: bool = False) -> Workload:
    """One pre-norm decoder layer with RMSNorm, rotary embedding, causal mask and a gated FFN."""
    traced = Traced()
    ids = traced.integers("ids", "seq")
    x = traced.op("embed", "embedding", ids, traced.random("table", VOCABULARY, WIDTH))
    keep = causal(traced)
    rates = traced.stored("rates", np.tile(10.0 ** -np.arange(DEPTH // 2), 2))
    places = traced.op("places", "mul", "rows:out", rates)
    for name, kind in (("cosine", "cos"), ("sine", "sin")):
        traced.op(name, kind, places)
    normal = traced.op(
        "norm", "rms_norm", x, traced.random("gain", WIDTH), epsilon=1e-6, normalized_axes=1
    )
    parts = {}
    for role, axes in (("q", (0, 2, 1, 3)), ("k", (0, 2, 1, 3)), ("v", (0, 2, 1, 3))):
        flat = traced.linear(role, normal, HEADS * DEPTH, bias=False)
        seen = traced.op(f"{role}.view", "view", flat, shape=("batch", "seq", HEADS, DEPTH))
        parts[role] = traced.op(f"{role}.heads", "permute", seen, axes=axes)
    q, k = (rotated(traced, f"{r}.turn", parts[r], interleaved=interleaved) for r in "qk")
    logits = traced.op("logits", "matmul", q, traced.op("kt", "permute", k, axes=(0, 1, 3, 2)))
    scaled = traced.op("scale", "mul", logits, scalar=DEPTH**-0.5)
    weights = traced.op(
        "softmax", "softmax", traced.op("masked", "mask", scaled, keep, fill=-1e30), axis=-1
    )
    context = traced.op("context", "matmul", weights, parts["v"])
    turned = traced.op("turn", "permute", context, axes=(0, 2, 1, 3))
    merged = traced.op("merge", "view", turned, shape=("batch", "seq", HEADS * DEPTH))
    x = traced.op("add", "add", x, traced.linear("o", merged, WIDTH, bias=False))
    gate = traced.op("silu", "silu", traced.linear("gate", x, 2 * WIDTH, bias=False))
    gated = traced.op("gated", "mul", gate, traced.linear("up", x, 2 * WIDTH, bias=False))
    x = traced.op("add2", "add", x, traced.linear("down", gated, WIDTH, bias=False))
    head = traced.linear("head", x, VOCABULARY, bias=False)
    return traced.build(head, seq=(2, 64), sample_seq=TOKENS)


def snr_db(exact, found):
    return 10 * np.log10(np.square(exact).sum() / np.square(found - exact).sum())


@pytest.mark.parametrize("interleaved", [False, True])
@WITH_UNITS
def test_a_llama_layer_is_as_exact_as_its_eight_bits(architecture, interleaved):
    workload = llama(interleaved=interleaved)
    exact = run_float(workload)["head:out"]
    found = run_ideal(workload, architecture, seq=TOKENS).outputs["head:out"]
    assert snr_db(exact, found) > 25


@WITH_UNITS
def test_a_later_token_changes_no_earlier_answer(architecture):
    """The mask is heeded by codes, exactly: nothing of a masked key leaks through."""
    workload = llama()
    ids = workload.samples.evaluation["ids"]
    changed = ids.copy()
    changed[:, -1] = (changed[:, -1] + 1) % VOCABULARY
    placed = mapped(workload, architecture, seq=TOKENS)
    before, after = (
        execute(placed, {"ids": one}, IdealEngine()).outputs["head:out"] for one in (ids, changed)
    )
    np.testing.assert_array_equal(before[:, :-1], after[:, :-1])
    assert not np.array_equal(before[:, -1], after[:, -1])


@WITH_UNITS
def test_a_shape_only_decoder_has_the_same_operations(architecture):
    workload = llama()
    real, bare = quantize(workload, architecture), quantize(shapes_only(workload), architecture)
    assert [(op.name, op.kind, op.inputs) for op in real.ops] == [
        (op.name, op.kind, op.inputs) for op in bare.ops
    ]
    assert map_workload(bare, architecture, {"batch": 1, "seq": TOKENS}).macros_used == (
        map_workload(real, architecture, {"batch": 1, "seq": TOKENS}).macros_used
    )


def test_index_and_mask_arithmetic_is_the_hosts():
    workload = llama()
    host, constants = without_activations(workload)
    assert host == {
        f"{name}:out" for name in ("positions", "rows", "causal", "places", "cosine", "sine")
    } | {"ids"}
    assert constants == set(workload.stored)
    quantized = quantize(workload, INTEGER)
    assert {op.kind for op in quantized.ops if op.output in host} == {"boundary"}


@EVERY
def test_padding_is_ignored(architecture):
    """A key that the attention mask leaves out has no influence, wherever it stands."""
    traced = Traced()
    keep = traced.mask("keep", 1, TOKENS)
    logits = traced.input("x", 3, TOKENS)
    weights = traced.op(
        "softmax", "softmax", traced.op("m", "mask", logits, keep, fill=-9e9), axis=-1
    )
    workload = traced.build(weights)
    samples = workload.samples
    kept = np.array([1, 0, 1, 1, 0, 1], bool)
    rows = {"keep": np.broadcast_to(kept, (6, 1, TOKENS)), "x": samples.evaluation["x"]}
    placed = mapped(workload, architecture)
    found = execute(placed, rows, IdealEngine()).outputs["softmax:out"]
    assert not found[..., ~kept].any()
    short = np.exp(rows["x"][..., kept])
    np.testing.assert_allclose(
        found[..., kept], short / short.sum(axis=-1, keepdims=True), atol=0.004
    )


@EVERY
def test_a_row_that_is_masked_whole_attends_to_nothing(architecture):
    traced = Traced()
    masked = traced.op("m", "mask", traced.input("x", 4), traced.mask("keep", 4), fill=-1e30)
    workload = traced.build(traced.op("softmax", "softmax", masked, axis=-1))
    rows = {"keep": np.zeros((2, 4), bool), "x": np.zeros((2, 4), np.float32)}
    found = execute(mapped(workload, architecture), rows, IdealEngine()).outputs["softmax:out"]
    assert not found.any()


@EVERY
def test_an_embedding_fetches_the_rows_of_its_table(architecture):
    traced = Traced()
    x = traced.op("e", "embedding", traced.integers("ids", 5), traced.random("t", VOCABULARY, 8))
    workload = traced.build(x)
    exact = run_float(workload)["e:out"]
    found = run_ideal(workload, architecture).outputs["e:out"]
    np.testing.assert_allclose(found, exact, atol=np.abs(exact).max() / 2**14)


@EVERY
def test_relu_and_products_of_tensors_and_added_scalars(architecture):
    traced = Traced()
    x, y = traced.input("x", 5), traced.input("y", 5)
    product = traced.op("product", "mul", x, traced.op("relu", "relu", y))
    more = traced.op("more", "add", product, scalar=0.75)
    scaled = traced.op("scaled", "mul", more, traced.random("c", 5))
    workload = traced.build(traced.op("half", "div", scaled, scalar=2.0))
    if architecture is CONVENTIONAL:  # a factor must not wait at the edge of the chip
        workload = traced.build(scaled)
    name = workload.outputs[0]
    exact, found = run_float(workload)[name], run_ideal(workload, architecture).outputs[name]
    np.testing.assert_allclose(found, exact, atol=np.abs(exact).max() / 2**13)


@EVERY
def test_constants_are_folded_whatever_is_done_to_them(architecture):
    traced = Traced()
    doubled = traced.op("doubled", "mul", traced.random("c", 4), scalar=2.0)
    gain = traced.op("gain", "softmax", traced.random("g", 4), axis=-1)
    x = traced.op("y", "add", traced.input("x", 4), doubled)
    norm = traced.op(
        "n", "layer_norm", x, gain, traced.random("b", 4), epsilon=1e-5, normalized_axes=1
    )
    workload = traced.build(norm)
    assert without_activations(workload)[1] == {*workload.stored, "doubled:out", "gain:out"}
    exact, found = run_float(workload)[norm], run_ideal(workload, architecture).outputs[norm]
    np.testing.assert_allclose(found, exact, atol=0.002)
    assert not quantize(replace(workload, weights={}, samples=None), architecture).ops[0].execute


@EVERY
def test_a_convolution_along_one_axis(architecture):
    traced = Traced()
    x = traced.input("x", 3, 9)
    given = {"stride": (2,), "padding": (1,), "dilation": (1,), "groups": 1}
    y = traced.op(
        "c", "convolution", x, traced.random("k", 5, 3, 3), traced.random("b", 5), **given
    )
    workload = traced.build(traced.op("g", "relu", y))
    exact, found = run_float(workload)["g:out"], run_ideal(workload, architecture).outputs["g:out"]
    np.testing.assert_allclose(found, exact, atol=np.abs(exact).max() / 40)
    assert mapped(shapes_only(workload), architecture).op("c").tokens == 5
