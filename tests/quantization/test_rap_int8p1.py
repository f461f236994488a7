"""RAP's integer graph: an attention layer equals its definition bit for bit, all else float32."""

import math
from fractions import Fraction

import numpy as np
import pytest

from pimsim import load_workload
from pimsim.config import load_architecture
from pimsim.errors import QuantizationError
from pimsim.functional.accuracy import signal_to_noise_db
from pimsim.functional.exact import exact_product, run_exact
from pimsim.functional.executor import shifts_of
from pimsim.functional.quality import quantization_quality
from pimsim.quantization import calibrate, quantize
from pimsim.quantization.exact_folds import fold
from pimsim.quantization.rap_constants import mean_gains, next_power
from pimsim.workload import reference
from tests.integer import rap_oracles
from tests.quantization.traced import Traced, run_float, shapes_only, transformer_block

UNITS = (
    "numerics.scheme=rap_int8p1",
    "units.softmax.model=vdr_softmax",
    "units.requantize.model=emsb_q",
)
HEADS, DEPTH = 2, 4
DEFAULTS = {
    "kv_bits": 16,
    "kv_msb": "calibrated",
    "kv_round": "half_up",
    "normalization": "reciprocal_lut",
    "branch_scale": "dyadic",
}


def chip(**numerics):
    settings = (f"numerics.{key}={value}" for key, value in numerics.items())
    return load_architecture("rap_int8", overrides=[*UNITS, *settings])


def executed(quantized, inputs):
    """Every tensor of a run, second outputs among them."""
    values, dims = dict(inputs), {"batch": len(next(iter(inputs.values())))}
    for op in quantized.ops:
        operands = [values[name] for name in op.inputs]
        if op.is_product:
            values[op.output] = exact_product(op, operands)
            continue
        output = op.execute(operands, dims)
        values[op.output] = output.values
        if op.shifts is not None:
            values[op.shifts] = shifts_of(op, output)
    return values


def attention_block(seed=0, *, tokens=5):
    """``x + attention(LayerNorm(x))``."""
    traced = Traced(seed)
    x = traced.input("x", tokens, HEADS * DEPTH)
    branch = traced.attention("attn", traced.layer_norm("norm", x), HEADS)
    return traced.build(traced.op("add", "add", x, branch))


# --- an independent evaluation, from the definitions ---------------------------------------------


def matrix_codes(weight, smallest=0.0):
    """(out, in) weights as sign + 8 with one scale, transposed."""
    scale = max(float(np.abs(weight.astype(float)).max()) / 255, smallest)
    return np.rint(weight.astype(float) / scale).astype(int).T, scale


def sums_with_bias(rows, codes, bias, scale, places):
    """Accumulators of rows that were shifted by ``places``, bias cut to the row's shift."""
    mantissas = [round(float(value) / scale) for value in bias.astype(float)]
    return [
        [
            int(acc) + math.floor(Fraction(b, 2**t))
            for acc, b in zip(row @ codes, mantissas, strict=True)
        ]
        for row, t in zip(rows, places, strict=True)
    ]


class Layer:
    """One attention layer on one sample: codes and shifts of every step."""

    def __init__(self, workload, settings, x_codes, stream):
        self.settings = DEFAULTS | settings
        self.folded = fold(workload).workload
        self.peaks = calibrate(self.folded)
        self.weights = self.folded.weights
        self.x_scale = self.peaks["norm:out"] / 255
        self.stream_scale = 2 * max(self.peaks["x"], self.peaks["add:out"]) / 32767
        self.x, self.stream = x_codes.astype(int), stream.astype(int)
        self.run()

    def run(self):
        none = [0] * len(self.x)
        query, q_scale = self.product("q", self.x, self.x_scale, none)
        found = [rap_oracles.effective_msb(row) for row in query]
        self.q, self.q_shifts = [row for row, _ in found], [shift for _, shift in found]
        self.k, k_scale = self.cache("k")
        self.v, v_scale = self.cache("v")
        self.c = q_scale * k_scale * DEPTH**-0.5
        self.p_scale = self.scale_of_exponentials()
        heads = [self.head(head) for head in range(HEADS)]
        self.context = [[x for head in heads for x in head[row]] for row in range(len(self.x))]
        gains, scale = self.gains(v_scale)
        found = [rap_oracles.effective_msb(row) for row in self.context]
        self.a, self.a_shifts = [row for row, _ in found], [shift for _, shift in found]
        output, o_scale = self.product(
            "o",
            np.array(self.a),
            scale,
            self.a_shifts,
            gains=gains,
            smallest=self.power(scale, gains),
        )
        found = [rap_oracles.effective_msb(row) for row in output]
        self.o = [row for row, _ in found]
        self.o_shifts = [s + t for (_, s), t in zip(found, self.a_shifts, strict=True)]
        self.y = self.residual(o_scale)

    def product(self, name, rows, row_scale, places, *, gains=None, smallest=0.0):
        weight = self.weights[f"attn.{name}.weight"].astype(float)
        if gains is not None:
            weight = weight * gains
        codes, scale = matrix_codes(weight, smallest)
        bias = self.weights[f"attn.{name}.bias"]
        return sums_with_bias(rows, codes, bias, scale * row_scale, places), scale * row_scale

    def power(self, scale, gains):
        if self.settings["branch_scale"] == "dyadic":
            return 0.0
        own = float(np.abs(self.weights["attn.o.weight"].astype(float) * gains).max()) / 255
        return next_power(own * scale, self.stream_scale) / scale

    def cache(self, name):
        accumulated, scale = self.product(name, self.x, self.x_scale, [0] * len(self.x))
        bits = self.settings["kv_bits"]
        place = len(f"{math.ceil(self.peaks[f'attn.{name}:out'] / scale):b}") + 1
        if self.settings["kv_msb"] == "datapath":
            place = len(f"{127 * 255 * self.x.shape[-1]:b}") + 1
        rounds = self.settings["kv_round"] == "half_up"
        codes = [rap_oracles.fixed_msb(row, place, bits, rounds=rounds) for row in accumulated]
        return np.array(codes), scale * 2.0 ** max(0, place + 1 - bits)

    def head(self, head):
        columns = slice(head * DEPTH, (head + 1) * DEPTH)
        rows = []
        for token, query in enumerate(self.q):
            logits = [int(x) for x in self.k[:, columns] @ np.array(query)[columns]]
            codes, shift = rap_oracles.effective_msb(logits)
            keep = [True] * len(codes)
            p, _ = rap_oracles.exponentials(codes, keep, shift + self.q_shifts[token], self.c)
            acc = [int(x) for x in np.array(p) @ self.v[:, columns]]
            method = self.settings["normalization"]
            if method != "paper":
                acc = [rap_oracles.normalized(x, sum(p), method) for x in acc]
            rows.append(acc)
        return rows

    def scale_of_exponentials(self):
        """Real value of a code of P: the constant of the first entry stands for 1."""
        first = math.ceil(math.log2(4.1e-4 / self.c))
        step = self.c * 2.0**first
        constant = round(1 / (0.35815147 * step**2))
        return 0.35815147 * step**2 * 2.0 ** (len(f"{constant:b}") - 8)

    def gains(self, v_scale):
        method = self.settings["normalization"]
        if method == "reciprocal_lut":
            return np.ones(HEADS * DEPTH), v_scale * 2.0**-8
        seen = {}
        calibration = self.folded.samples.calibration["x"]
        reference.run(
            self.folded, calibration, observe=lambda name, value: seen.update({name: value})
        )
        largest = seen["attn.softmax:out"].max(axis=-1).transpose(1, 0, 2).reshape(HEADS, -1)
        by_head = mean_gains(largest, self.p_scale, shifted=method == "shift")
        unit = v_scale * 2.0**-8 if method == "shift" else self.p_scale * v_scale
        return np.repeat(by_head / by_head.max(), DEPTH), unit * by_head.max()

    def residual(self, o_scale):
        ratio = Fraction(o_scale / self.stream_scale)
        exponent = math.frexp(float(ratio))[1]
        exact = round(ratio * 2 ** (15 - exponent)) * Fraction(2) ** (exponent - 15)
        if self.settings["branch_scale"] == "pow2":
            exact = Fraction(2) ** round(math.log2(ratio))
        rows = []
        for row, shift, stream in zip(self.o, self.o_shifts, self.stream, strict=True):
            moved = [rap_oracles.half_up(x * exact * 2**shift) for x in row]
            total = [int(a) + b for a, b in zip(stream, moved, strict=True)]
            rows.append([max(-32767, min(32767, value)) for value in total])
        return rows


SETTINGS = [
    {},
    {"kv_bits": 9},
    {"kv_bits": 12, "kv_round": "truncate"},
    {"kv_bits": 9, "kv_msb": "datapath"},
    {"normalization": "shift"},
    {"normalization": "paper"},
    {"normalization": "shift", "branch_scale": "pow2", "kv_bits": 9},
    {"branch_scale": "pow2"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_an_attention_layer_equals_its_definition_bit_for_bit(settings, seed):
    """From the normalized input's codes to the residual sum, every tensor and every shift."""
    workload = attention_block(seed)
    quantized = quantize(workload, chip(**settings))
    values = executed(quantized, {"x": workload.samples.evaluation["x"][:2]})
    for sample in range(2):
        layer = Layer(workload, settings, values["norm:out"][sample], values["x.codes"][sample])
        expected = {
            "attn.q:out": layer.q, "attn.k:out": layer.k, "attn.v:out": layer.v,
            "attn.o:out": layer.o, "attn.merge:out.emsb_q": layer.a, "add:out": layer.y,
        }  # fmt: skip
        for name, codes in expected.items():
            assert values[name][sample].tolist() == np.array(codes).tolist(), name
        for name, shifts in {
            "attn.q:out.shifts": layer.q_shifts,
            "attn.merge:out.emsb_q.shifts": layer.a_shifts,
            "attn.o:out.shifts": layer.o_shifts,
        }.items():
            assert values[name][sample, :, 0].tolist() == shifts, name


def masked_attention():
    """A mask that follows from an input."""
    traced = Traced()
    q, k, v = (traced.linear(name, traced.input(f"x{name}", 3, 4), 4) for name in "qkv")
    keep = traced.mask("keep", 1, 3)
    turned = traced.op("turn", "permute", k, axes=(0, 2, 1))
    logits = traced.op("logits", "matmul", q, turned)
    masked = traced.op("masked", "mask", logits, keep, fill=-1e9)
    weights = traced.op("softmax", "softmax", masked, axis=-1)
    context = traced.op("context", "matmul", weights, v)
    return traced.build(traced.linear("o", context, 4))


def test_masked_keys_have_code_zero_and_no_part_in_the_rest():
    """The masked rows of values may be anything."""
    workload = masked_attention()
    quantized = quantize(workload, chip())
    inputs = dict(workload.samples.evaluation)
    inputs["keep"] = np.tile(np.array([[[True, True, False]]]), (len(inputs["xq"]), 1, 1))
    found = executed(quantized, inputs)
    assert not found["softmax:out"][..., 2].any()
    assert np.array_equal(found["softmax:out.sums"][..., 0], found["softmax:out"].sum(axis=-1))
    inputs["xv"] = inputs["xv"].copy()
    inputs["xv"][:, 2] += 0.3
    other = executed(quantized, inputs)
    assert np.array_equal(found["o:out"], other["o:out"])


# --- the whole graph -----------------------------------------------------------------------------


def post_norm_block(seed=0):
    """BERT's order: residual sums are normalized, and the result is both branch and stream."""
    traced = Traced(seed)
    x = traced.layer_norm("norm0", traced.linear("embed", traced.input("x", 5, 8), 8))
    x = traced.layer_norm("norm1", traced.op("add1", "add", traced.attention("attn", x, 2), x))
    hidden = traced.op("gelu", "gelu", traced.linear("up", x, 16), approximate="none")
    x = traced.layer_norm("norm2", traced.op("add2", "add", traced.linear("down", hidden, 8), x))
    first = traced.op("first", "select", x, axis=1, index=0)
    return traced.build(traced.linear("head", first, 3))


BLOCKS = {"pre_norm": transformer_block, "post_norm": post_norm_block}


def logit_snr_db(workload, architecture):
    found = run_exact(quantize(workload, architecture), workload.samples.evaluation, {})
    exact = run_float(workload)
    (name,) = workload.outputs
    return signal_to_noise_db(exact[name], [found[name]])


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_close_to_float32(block):
    """Operands of 9 bits have 46 dB or more; GELU's polynomial costs some."""
    assert logit_snr_db(BLOCKS[block](), chip()) > 27


def test_normalization_decides_about_the_digits():
    """On 100 images: the table loses nothing, the leading one little, the paper's form a lot."""
    workload = load_workload("vit_digits")
    inputs = {name: values[:100] for name, values in workload.samples.evaluation.items()}
    exact = reference.run(workload, inputs["image"])["head"]
    statistics, snr_db, agreement = calibrate(workload), {}, {}
    for name in ("reciprocal_lut", "shift", "paper"):
        quantized = quantize(workload, chip(normalization=name), statistics)
        found = run_exact(quantized, inputs, {})["head"]
        snr_db[name] = signal_to_noise_db(exact, [found])
        agreement[name] = float(np.mean(found.argmax(axis=-1) == exact.argmax(axis=-1)))
    assert snr_db["reciprocal_lut"] > 34
    assert 16 < snr_db["shift"] < 24
    assert snr_db["paper"] < 11
    assert agreement["reciprocal_lut"] >= 0.98
    assert agreement["paper"] < 0.96


@pytest.mark.parametrize("block", BLOCKS)
def test_nothing_on_the_chip_is_a_float(block):
    workload = BLOCKS[block]()
    quantized = quantize(workload, chip())
    values = executed(quantized, workload.samples.evaluation)
    for op in quantized.ops:
        if op.kind != "boundary":
            assert values[op.output].dtype.kind == "i", op.name


@pytest.mark.parametrize("block", BLOCKS)
def test_declared_widths_hold(block):
    """Every tensor fits the bits that it moves and is stored with."""
    workload = BLOCKS[block]()
    quantized = quantize(workload, chip())
    values = executed(quantized, workload.samples.evaluation)
    for name, tensor in quantized.tensors.items():
        if name not in values or tensor.encoding.number != "integer":
            continue
        bits = tensor.encoding.bits
        low = -(1 << bits - 1) if tensor.encoding.signed else 0
        assert low <= values[name].min(), name
        assert values[name].max() < (1 << bits - 1 if tensor.encoding.signed else 1 << bits), name


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("settings", [{}, {"normalization": "paper", "kv_bits": 9}], ids=str)
def test_a_shape_only_graph_has_the_same_operations(block, settings):
    workload = BLOCKS[block]()
    with_values, without = (
        quantize(one, chip(**settings)) for one in (workload, shapes_only(workload))
    )
    for mine, other in zip(with_values.ops, without.ops, strict=True):
        assert (mine.name, mine.kind, mine.inputs, mine.output, mine.shifts) == (
            other.name, other.kind, other.inputs, other.output, other.shifts,
        )  # fmt: skip
        assert with_values.tensors[mine.output].shape == without.tensors[mine.output].shape
        bits = [one.tensors[mine.output].encoding.bits for one in (with_values, without)]
        assert bits[0] == bits[1], mine.name
        assert mine.weight_bits == other.weight_bits
    assert without.probes == ()


@pytest.mark.parametrize("block", BLOCKS)
def test_every_layer_can_be_compared_with_float32(block):
    """Probes undo folds, shifts and missing normalization; only P and what follows it is rough."""
    workload = BLOCKS[block]()
    quality = quantization_quality(workload, chip(), samples=6)
    layers = {layer.layer: layer for layer in quality.layers}
    for op in workload.ops:
        if op.kind in ("linear", "matmul", "softmax", "layer_norm", "gelu", "add"):
            assert layers[op.name].sqnr_db > 22, op.name
    assert layers["attn.q"].bits == layers["attn.logits"].bits == 9
    assert layers["attn.softmax"].bits == 8
    assert layers["attn.context"].driven.bits == 8
    assert layers["attn.context"].stored.bits == 16


def test_probes_hold_for_unnormalized_products_too():
    workload = transformer_block()
    for normalization in ("shift", "paper"):
        quality = quantization_quality(workload, chip(normalization=normalization), samples=6)
        layers = {layer.layer: layer for layer in quality.layers}
        assert 2 < layers["attn.context"].sqnr_db < 25


def test_keys_beyond_the_calibrated_range_saturate_and_are_counted():
    """One bit above the calibrated peak is kept; inputs at the end of their codes exceed it."""
    traced = Traced()
    x = traced.input("x", 3, 4)
    k = traced.op("turn", "permute", traced.linear("k", x, 4, bias=False), axes=(0, 2, 1))
    workload = traced.build(traced.op("logits", "matmul", traced.linear("q", x, 4), k))
    quantized = quantize(workload, chip(kv_bits=9))
    for factor, expected in ((1, False), (5, True)):
        counted = {}
        run_exact(
            quantized, {"x": factor * workload.samples.evaluation["x"]}, {},
            observe=lambda op, _, saturations, into=counted: into.update({op.name: saturations}),
        )  # fmt: skip
        assert (counted["k.requantize"] > 0) == expected


@pytest.mark.parametrize("bits", [9, 12, 16])
def test_keys_and_values_have_the_bits_that_were_asked_for(bits):
    quantized = quantize(transformer_block(), chip(kv_bits=bits))
    for name in ("attn.k:out", "attn.v:out"):
        assert quantized.tensors[name].encoding.bits == bits


def test_a_branch_by_a_power_of_two_needs_no_multiplier():
    quantized = quantize(transformer_block(), chip(branch_scale="pow2"))
    adds = {op.name: op for op in quantized.ops if op.name in ("add1", "add2")}
    for op in adds.values():
        kinds = {operation.kind for operation in op.hardware.operations(8)}
        assert "multiply" not in kinds


# --- what has no form ----------------------------------------------------------------------------


def test_the_units_of_another_scheme_are_refused():
    architecture = load_architecture("rap_int8", overrides=["numerics.scheme=rap_int8p1"])
    with pytest.raises(QuantizationError, match=r"units\.requantize\.model is 'dy.*'rap_int8p1'"):
        quantize(transformer_block(), architecture)


@pytest.mark.parametrize(
    "setting",
    [
        "kv_bits=9",
        "kv_msb=datapath",
        "kv_round=truncate",
        "normalization=shift",
        "branch_scale=pow2",
    ],
)
def test_other_schemes_refuse_its_settings(setting):
    architecture = load_architecture("rap_int8", overrides=[f"numerics.{setting}"])
    key = setting.partition("=")[0]
    with pytest.raises(
        QuantizationError, match=rf"numerics\.{key} means nothing to scheme 'int8_dy"
    ):
        quantize(transformer_block(), architecture)


def test_it_refuses_the_settings_of_others():
    with pytest.raises(
        QuantizationError, match=r"numerics\.group means nothing to scheme 'rap_int8"
    ):
        quantize(transformer_block(), chip(group=16))


def fused(traced, x):
    both = traced.linear("qk", x, 8)
    q = traced.op("q", "slice", both, axis=2, start=0, stop=4, step=1)
    k = traced.op("k", "slice", both, axis=2, start=4, stop=8, step=1)
    return traced.op("logits", "matmul", q, traced.op("turn", "permute", k, axes=(0, 2, 1)))


def shifted_keys(traced, x):
    k = traced.linear("k", traced.linear("h", x, 4), 4)
    turned = traced.op("turn", "permute", k, axes=(0, 2, 1))
    return traced.op("logits", "matmul", traced.linear("q", x, 4), turned)


def joined_queries(traced, x):
    both = traced.op("join", "cat", traced.linear("a", x, 4), traced.linear("b", x, 4), axis=1)
    k = traced.op("turn", "permute", traced.linear("k", x, 4), axes=(0, 2, 1))
    return traced.op("logits", "matmul", both, k)


def mixed_rows(traced, x):
    turned = traced.op("turn", "permute", traced.linear("q", x, 4), axes=(0, 2, 1))
    k = traced.op("seen", "view", traced.linear("k", x, 4), shape=("batch", 3, 4))
    return traced.op("logits", "matmul", turned, k)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (fused, "op 'qk': one matrix makes both queries and keys or values"),
        (shifted_keys, "op 'k': keys and values must come from rows without shifts"),
        (mixed_rows, "op 'turn': movement 'turn' mixes rows that have shifts"),
        (joined_queries, "op 'join': part 'a:out' has a shift or a sum per row"),
    ],
)
def test_what_has_no_form_is_named(build, message):
    traced = Traced()
    normal = traced.layer_norm("norm", traced.input("x", 3, 4))
    workload = traced.build(build(traced, normal))
    with pytest.raises(QuantizationError, match=message):
        quantize(workload, chip())
