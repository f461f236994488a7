"""The reference as a scheme: the float32 network, product by product, refused by every chip."""

import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.config.architecture import Numerics
from pimsim.errors import MappingError, SimulationError
from pimsim.functional import run_exact
from pimsim.mapping import map_workload
from pimsim.quantization import quantize
from pimsim.simulate import simulate
from tests.quantization.traced import RAP, Traced, run_float, shapes_only, transformer_block

CHIP = RAP.model_copy(update={"numerics": Numerics(scheme="float32")})


def image_network():
    traced = Traced()
    kernel, bias = traced.random("kernel", 4, 3, 2, 2), traced.random("bias", 4)
    geometry = {"stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    pixels = traced.op("c", "convolution", traced.input("x", 3, 4, 4), kernel, bias, **geometry)
    flat = traced.op("flat", "view", pixels, shape=("batch", 16))
    return traced.build(traced.linear("head", flat, 3, bias=False))


@pytest.mark.parametrize("make", [transformer_block, image_network])
def test_the_graph_computes_what_the_traced_model_does(make):
    workload = make()
    found = run_exact(quantize(workload, CHIP), workload.samples.evaluation, {})
    for name, exact in run_float(workload).items():
        assert found[name].dtype == np.float32
        assert np.allclose(found[name], exact, rtol=1e-4, atol=1e-5)


def test_products_stay_products():
    workload = transformer_block()
    kinds = [op.kind for op in quantize(workload, CHIP).ops if op.is_product]
    assert kinds.count("static_product") == 8  # embedding, q, k, v, o, up, down, head
    assert kinds.count("dynamic_product") == 2


@pytest.mark.parametrize("make", [transformer_block, lambda: shapes_only(transformer_block())])
def test_no_chip_takes_it(make):
    with pytest.raises(MappingError, match="is floating-point; crossbars take integers only"):
        map_workload(quantize(make(), CHIP), CHIP, {"batch": 1})


def test_a_run_says_why():
    with pytest.raises(MappingError, match="'float32' serves comparisons only"):
        simulate(
            load_architecture("conventional", overrides=["numerics.scheme=float32"]),
            "vit_digits", samples=1, chips=1, compare=(),
        )  # fmt: skip


def test_shapes_alone_have_no_values():
    with pytest.raises(SimulationError, match="shape-only"):
        run_exact(quantize(shapes_only(transformer_block()), CHIP), {"x": np.zeros(1)}, {})
