"""From a description and a workload to a result, on the bundled demo."""

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from pimsim.config import load_architecture
from pimsim.errors import (
    ConfigError,
    InputError,
    MappingError,
    NotFoundError,
    PimsimError,
    QuantizationError,
    SimulationError,
    WorkloadError,
)
from pimsim.passes import check_agreement, reference_chunk
from pimsim.records import MovedBits, Result
from pimsim.report.document import to_document
from pimsim.simulate import simulate
from pimsim.summarize import ChipRun
from pimsim.workload import Workload
from pimsim.workload.files import load_workload
from tests.quantization.traced import Traced, shapes_only, transformer_block
from tests.simulate.conftest import NOISY

pytestmark = pytest.mark.xdist_group("simulate")

ROOT = Path(__file__).resolve().parents[2]


def document(result: Result) -> dict[str, Any]:
    """The content of result.json without its manifest."""
    content = to_document(result)
    del content["manifest"]
    return content


# --- accuracy ------------------------------------------------------------------------------------


def test_answers_stay_right_on_a_few_images(vit):
    """On 64 images one wrong answer is 1.6 points: at most one more than float32 each."""
    result = simulate("rap", vit, samples=64, chips=1)
    accuracy = result.accuracy
    assert accuracy is not None
    assert (accuracy.metric, accuracy.samples) == ("top1_ratio", 64)
    assert accuracy.float32 >= 0.98
    assert accuracy.integer >= accuracy.float32 - 1 / 64
    assert accuracy.analog[0] >= accuracy.float32 - 1 / 64
    assert accuracy.agreement_ratio >= 63 / 64
    assert accuracy.logit_snr_db > 30
    conventional = next(row for row in result.baselines if row.name == "conventional")
    assert conventional.accuracy >= accuracy.float32 - 3 / 64


@pytest.mark.slow
def test_the_demo_is_as_accurate_as_promised():
    """360 images, 3 chips: integers within 1 point of float32, chips within 2, the other's 3."""
    result = simulate("rap", "vit_digits")
    accuracy = result.accuracy
    assert accuracy is not None
    assert (accuracy.samples, len(accuracy.analog)) == (360, 3)
    assert accuracy.float32 >= 0.98
    assert abs(accuracy.integer - accuracy.float32) <= 0.01
    assert all(abs(chip - accuracy.float32) <= 0.02 for chip in accuracy.analog)
    assert result.baselines[0].name == "conventional"
    assert abs(result.baselines[0].accuracy - accuracy.float32) <= 0.03


def test_more_noise_costs_accuracy(vit):
    """Ten times the spread of the cells and the noise of the converters."""
    noisy = simulate(
        "rap_int8",
        vit,
        samples=12,
        chips=1,
        compare=(),
        overrides=[
            "macros.mram.crossbar.cell.sigma_on_ratio=0.295",
            "macros.sram.crossbar.cell.sigma_on_ratio=0.223",
            "macros.mram.adc.noise_ratio=0.004",
            "macros.sram.adc.noise_ratio=0.004",
        ],
    )
    assert noisy.accuracy is not None
    assert noisy.accuracy.integer >= 0.95
    assert noisy.accuracy.analog[0] < 0.9
    assert noisy.accuracy.logit_snr_db < 5


def test_a_perfect_chip_gives_the_integer_answers(vit):
    """No spread, no noise, a code for every sum; float32 differs, so the ratio stays finite."""
    ideal = [
        f"macros.{name}.{key}=null"
        for name in ("mram", "sram")
        for key in ("crossbar.cell.sigma_on_ratio", "adc.noise_ratio")
    ]
    result = simulate("rap_int8", vit, samples=16, chips=2, compare=(), overrides=ideal)
    assert result.accuracy is not None
    assert set(result.accuracy.analog) == {result.accuracy.integer}
    assert set(result.manifest.ideal) >= {"macros.mram.adc.noise_ratio"}
    one = simulate("rap_int8", vit, samples=16, chips=1, compare=(), overrides=ideal, seed=5)
    assert one.accuracy is not None
    assert one.accuracy.logit_snr_db == pytest.approx(result.accuracy.logit_snr_db, rel=1e-12)


# --- the numbers agree with each other -----------------------------------------------------------


@pytest.mark.parametrize("name", ["demo", "in_pairs"])
def test_the_numbers_of_a_result_follow_from_each_other(name, request):
    result: Result = request.getfixturevalue(name)
    macs = result.workload["macs"]
    tops = 2 * macs * result.throughput_per_s / 1e12
    assert result.throughput_per_s == pytest.approx(1e6 / result.latency_us, rel=1e-12)
    assert result.power_mw == pytest.approx(1000 * result.energy_uj / result.latency_us, rel=1e-12)
    assert result.tops_per_w == pytest.approx(2 * macs / (1e6 * result.energy_uj), rel=1e-12)
    assert result.tops_per_w == pytest.approx(tops / (result.power_mw / 1000), rel=1e-12)
    assert result.tops_per_mm2 == pytest.approx(tops / result.area_mm2, rel=1e-12)


def test_parts_sum_to_their_whole(demo):
    for parts, whole in (
        (demo.energy_breakdown_uj, demo.energy_uj),
        (demo.area_breakdown_mm2, demo.area_mm2),
        (demo.latency_breakdown_us, demo.latency_us),
    ):
        assert math.fsum(parts.values()) == pytest.approx(whole, rel=1e-9)
        assert min(parts.values()) > 0
        assert list(parts.values()) == sorted(parts.values(), reverse=True)


def test_shares_lie_between_nothing_and_all(demo):
    shares = (
        *(demo.cells_ratio, demo.area_ratio),
        *(demo.assumed_energy_ratio, demo.assumed_area_ratio, demo.assumed_latency_ratio),
    )
    assert all(0 < share <= 1 for share in shares)


def test_the_share_of_used_cells_follows_from_the_shapes(demo):
    """8 cells per weight and per element of K^T and V, of 4 heads in 4 layers."""
    layer = 4 * 64 * 64 + 2 * 64 * 256
    elements = 4 * 64 + 4 * layer + 64 * 10 + 4 * 4 * 2 * 16 * 17
    cells = 16 * (72 * 1024 * 1024 + 512 * 64 * 1024)
    assert demo.cells_ratio == pytest.approx(8 * elements / cells, rel=1e-12)


def test_top_level_numbers_are_those_of_the_default_costs(demo):
    assert [variant.name for variant in demo.cost_variants] == ["modelled", "survey_4bit_adc"]
    default, other = demo.cost_variants
    assert (default.energy_uj, default.area_mm2) == (demo.energy_uj, demo.area_mm2)
    assert default.tops_per_w == demo.tops_per_w
    assert other.energy_uj > default.energy_uj
    assert [cost.variant for cost in demo.costs] == ["modelled", "survey_4bit_adc"]


def test_the_latency_is_that_of_the_timeline(demo):
    assert demo.latency_us == pytest.approx(demo.timeline.latency_ps / 1e6)
    assert int(demo.timeline.end_ps.max()) == demo.timeline.latency_ps
    labels = {"mram.reads", "sram.reads", "sram.writes", "units.softmax", "units.layer_norm"}
    assert labels <= demo.latency_breakdown_us.keys()


def test_the_manifest_tells_what_was_asked_for(demo):
    manifest = demo.manifest
    asked = (manifest.samples, manifest.chips, manifest.seed, manifest.batch, manifest.dims)
    assert asked == (8, 2, 0, 1, {"batch": 1})
    assert manifest.models["units.softmax"] == "ibert_softmax"
    assert manifest.models["mram.adc"] == "flash"
    assert manifest.wall_times_s["rap_int8: analog chip 2 of 2"] > 0
    assert {name for name in manifest.wall_times_s if name.startswith("conventional")}
    assert re.fullmatch("[0-9a-f]{64}", manifest.config_hash)


# --- comparison ----------------------------------------------------------------------------------


def kinds(result):
    """Kinds of the GPUs' rows and names of the chips' rows, each once."""
    return sorted(
        {row.name if row.kind == "pim_simulated" else row.kind for row in result.baselines}
    )


def test_a_stream_is_faster_per_input_and_switches_as_much(demo):
    """Inferences overlap; leakage is shared, switching is not."""
    ours = demo.baselines[1]
    assert demo.latency_us < ours.latency_us < ours.batch * demo.latency_us
    assert 0.5 * demo.energy_uj < ours.energy_uj < demo.energy_uj


def test_the_opponent_is_simulated_and_gpus_are_predicted(demo):
    opponent, ours, theirs, *gpus = demo.baselines
    assert (opponent.name, opponent.kind, opponent.precision) == (
        "conventional",
        "pim_simulated",
        "int8_dqq",
    )
    assert {row.kind for row in gpus} == {"gpu_roofline_calibrated"}
    assert {row.batch for row in gpus} > {1}
    assert [row.name for row in (ours, theirs)] == ["rap_int8, streamed", "conventional, streamed"]
    assert ours.batch == theirs.batch == 8
    for row in demo.baselines:
        assert row.latency_us > 0
        assert row.energy_uj > 0
        assert row.scope
        assert row.source


def test_the_opponents_numbers_are_its_own(vit, demo):
    alone = simulate("conventional", vit, samples=8, chips=2)
    assert alone.accuracy is not None
    row = demo.baselines[0]
    assert (row.latency_us, row.area_mm2) == (alone.latency_us, alone.area_mm2)
    assert row.energy_uj == pytest.approx(alone.energy_uj, rel=1e-12)
    assert row.accuracy == pytest.approx(np.mean(alone.accuracy.analog))
    # not compared with itself
    assert kinds(alone) == ["conventional, streamed", "gpu_roofline_calibrated"]


def test_without_opponents_only_gpus_are_left(in_pairs):
    assert kinds(in_pairs) == ["gpu_roofline_calibrated", "rap_int8, streamed"]


def test_an_opponent_that_is_too_small_is_left_out_and_named(vit, tmp_path):
    text = (ROOT / "arch_configs" / "conventional.yaml").read_text(encoding="utf-8")
    small = tmp_path / "small.yaml"
    small.write_text(
        text.replace("name: conventional", "name: small").replace("mram: 288", "mram: 1")
    )
    result = simulate("rap_int8", vit, samples=2, chips=1, compare=[str(small)])
    assert kinds(result) == ["gpu_roofline_calibrated", "rap_int8, streamed"]
    assert result.notes[:-1] == load_architecture("rap_int8").notes
    assert re.match(
        r"not compared with small: op 'blocks\.\d\..*' needs \d+ 'mram' macros of 256x1024 cells",
        result.notes[-1],
    )
    assert "\n" not in result.notes[-1]


# --- batches, sequences, shapes ------------------------------------------------------------------


def test_one_inference_is_one_batch(demo, in_pairs):
    """Totals are those of two inputs; comparisons are per input."""
    assert in_pairs.accuracy == demo.accuracy
    assert in_pairs.workload["macs"] == 2 * demo.workload["macs"]
    assert in_pairs.area_mm2 == demo.area_mm2
    assert 1.5 < in_pairs.latency_us / demo.latency_us <= 2.1
    assert 1.5 < in_pairs.energy_uj / demo.energy_uj <= 2.1
    assert in_pairs.manifest.dims == {"batch": 2}
    assert {count.inferences for count in in_pairs.counts} == {4}
    assert in_pairs.baselines[1:] == demo.baselines[3:]  # a GPU's batches are its own
    for ours, theirs in zip(in_pairs.counts, demo.counts, strict=True):
        assert ours.macros == theirs.macros


def test_the_energy_of_a_batch_is_compared_per_input(vit, tmp_path):
    text = (ROOT / "arch_configs" / "rap_int8.yaml").read_text(encoding="utf-8")
    twin = tmp_path / "twin.yaml"
    twin.write_text(text.replace("name: rap_int8", "name: twin"))
    result = simulate("rap_int8", vit, samples=2, chips=1, batch=2, compare=[str(twin)])
    row = result.baselines[0]
    assert (row.name, row.batch, row.latency_us) == ("twin", 2, result.latency_us)
    assert row.energy_uj == pytest.approx(result.energy_uj / 2, rel=1e-12)


def test_a_workload_without_weights_has_everything_but_accuracy(vit, demo):
    bare = simulate("rap_int8", shapes_only(vit), compare=())
    assert any("ones are assumed in 50% of the" in note for note in bare.notes)
    assert bare.accuracy is None
    assert (bare.latency_us, bare.area_mm2) == (demo.latency_us, demo.area_mm2)
    assert bare.latency_breakdown_us == demo.latency_breakdown_us
    assert bare.energy_breakdown_uj.keys() == demo.energy_breakdown_uj.keys()
    assert bare.energy_uj == pytest.approx(demo.energy_uj, rel=0.1)  # half of all bits are ones
    assert bare.workload == demo.workload
    assert bare.manifest.samples == 0
    assert document(bare)["accuracy"] is None


def test_samples_without_weights_change_nothing(vit):
    with_samples = simulate("rap_int8", replace(vit, weights={}), compare=())
    assert document(with_samples) == document(simulate("rap_int8", shapes_only(vit), compare=()))


def test_a_batch_of_shapes_writes_every_operand(vit):
    """Two inputs write twice the K^T and V of one."""
    one = simulate("rap_int8", shapes_only(vit), compare=())
    two = simulate("rap_int8", shapes_only(vit), batch=2, compare=())
    for single, double in zip(one.counts, two.counts, strict=True):
        for a, b in zip(single.macros, double.macros, strict=True):
            assert (b.row_writes, b.program_pulses) == (2 * a.row_writes, 2 * a.program_pulses)
    assert two.latency_breakdown_us["sram.writes"] == 2 * one.latency_breakdown_us["sram.writes"]


@pytest.mark.parametrize("seq", [None, 11])
def test_sequences_are_as_long_as_the_samples(seq):
    workload = transformer_block(tokens="seq", seq=(2, 64), sample_seq=11, labels=[0] * 6)
    result = simulate("rap_int8", workload, chips=1, seq=seq)
    assert result.manifest.dims == {"batch": 1, "seq": 11}
    assert result.accuracy is not None
    assert result.accuracy.logit_snr_db > 20


def test_another_length_than_the_samples_is_refused():
    workload = transformer_block(tokens="seq", seq=(2, 64), sample_seq=11)
    with pytest.raises(
        InputError,
        match=r"^seq = 12, but the evaluation samples of workload 'by_hand' have 11 tokens; leave "
        "seq out$",
    ):
        simulate("rap_int8", workload, seq=12)


def test_shapes_take_any_length_that_the_trace_allows():
    workload = shapes_only(transformer_block(tokens="seq", seq=(2, 64)))
    short, long = (simulate("rap_int8", workload, seq=seq, compare=()) for seq in (None, 64))
    assert (short.manifest.dims["seq"], long.manifest.dims["seq"]) == (2, 64)
    assert long.latency_us > 10 * short.latency_us
    with pytest.raises(WorkloadError, match=r"^workload 'by_hand': seq = 65 is outside 2 to 64,"):
        simulate("rap_int8", workload, seq=65)


def test_a_network_without_labels_is_measured_against_float32():
    traced = Traced()
    workload = traced.build(traced.linear("y", traced.input("x", 16), 5))
    result = simulate("rap_int8", workload, chips=1, compare=())
    assert result.accuracy is not None
    assert (result.accuracy.metric, result.accuracy.float32) == ("agreement_ratio", 1.0)


# --- reproducibility -----------------------------------------------------------------------------


def test_the_seed_decides_everything(vit):
    """Same seed, same result.json but for its manifest; another seed, other chips."""

    def run(seed: int) -> dict[str, Any]:
        return document(
            simulate("rap_int8", vit, samples=3, chips=2, seed=seed, compare=(), overrides=NOISY)
        )

    first, again, other = run(0), run(0), run(1)
    assert json.dumps(again) == json.dumps(first)
    for key in ("float32", "integer", "samples"):
        assert other["accuracy"][key] == first["accuracy"][key]
    assert other["accuracy"]["logit_snr_db"] != first["accuracy"]["logit_snr_db"]
    assert other["latency_us"] == first["latency_us"]


def test_a_chip_is_the_same_among_more_chips(vit):
    """Its answers, and through them the column sums of every product, histogram by histogram."""
    one, two = (
        simulate("rap_int8", vit, samples=3, chips=chips, compare=(), overrides=NOISY)
        for chips in (1, 2)
    )
    assert one.accuracy is not None
    assert two.accuracy is not None
    assert two.accuracy.analog[0] == one.accuracy.analog[0]
    assert two.counts == one.counts
    assert two.accuracy.logit_snr_db != one.accuracy.logit_snr_db


def test_threads_change_nothing(tmp_path):
    """One and two threads of the compiled kernels, in a process that has two."""
    script = """
import json, sys
from pimsim import simulate
from pimsim.report.document import to_document

for threads in (1, 2):
    result = simulate(
        "rap_int8", "vit_digits", samples=3, chips=1, threads=threads, overrides=sys.argv[1:]
    )
    assert result.manifest.threads == threads
    document = to_document(result)
    del document["manifest"]
    print(json.dumps(document))
"""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    outcome = subprocess.run(
        [sys.executable, "-c", script, *NOISY],
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        text=True,
        check=False,
        timeout=120,
    )
    assert outcome.returncode == 0, outcome.stderr
    one, two = outcome.stdout.splitlines()
    assert one == two


def test_threads_are_given_back(vit):
    before = numba.get_num_threads()
    simulate("rap_int8", shapes_only(vit), threads=1, compare=())
    assert numba.get_num_threads() == before


def test_progress_is_told_in_full(vit):
    class Recorder:
        def __init__(self) -> None:
            self.stages: list[list[Any]] = []

        def stage(self, name: str, total: int | None) -> None:
            self.stages.append([name, total, 0])

        def advance(self, n: int = 1) -> None:
            self.stages[-1][2] += n

    recorder = Recorder()
    simulate("rap_int8", vit, samples=2, chips=2, compare=(), progress=recorder)
    products = 1 + 4 * (6 + 2) + 1
    assert [stage for stage in recorder.stages if stage[1] is not None] == [
        ["rap_int8: integers on an ideal chip", 2 * products, 2 * products],
        ["rap_int8: analog chip 1 of 2", 2 * products, 2 * products],
        ["rap_int8: analog chip 2 of 2", 2 * products, 2 * products],
    ]


# --- wrong requests ------------------------------------------------------------------------------

MOST = numba.config.NUMBA_NUM_THREADS


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"samples": 0}, InputError, "samples must be 1 or more, got 0"),
        ({"samples": -3}, InputError, "samples must be 1 or more, got -3"),
        (
            {"samples": 361},
            InputError,
            "samples = 361, but workload 'vit_digits' has 360 evaluation samples; ask for fewer",
        ),
        ({"chips": 0}, InputError, "chips must be 1 or more, got 0"),
        ({"seed": -1}, InputError, "seed must be 0 or more, got -1"),
        (
            {"requests": 257},
            InputError,
            "requests must be 256 or fewer, got 257; the steady state shows from four on",
        ),
        ({"batch": 0}, InputError, "batch must be 1 or more, got 0"),
        (
            {"samples": 9, "batch": 2},
            InputError,
            "samples = 9 is not a whole number of batches of 2; take 8 or 10",
        ),
        (
            {"batch": 361},
            InputError,
            (
                "batch = 361, but workload 'vit_digits' has 360 evaluation samples; ask for a "
                "smaller batch"
            ),
        ),
        ({"seq": 0}, InputError, "seq must be 1 or more, got 0"),
        ({"seq": 5}, WorkloadError, "workload 'vit_digits' has no dimension 'seq'; known: batch"),
        ({"threads": 0}, InputError, f"threads must be 1 to {MOST} on this machine, got 0"),
        (
            {"threads": MOST + 1},
            InputError,
            f"threads must be 1 to {MOST} on this machine, got {MOST + 1}",
        ),
        (
            {"compare": ["conventionel"]},
            NotFoundError,
            "did you mean 'conventional'?",
        ),
    ],
)
def test_impossible_requests_are_refused(vit, asked, error, message):
    with pytest.raises(error) as caught:
        simulate("rap_int8", vit, **asked)
    assert str(caught.value).endswith(message)
    if "mean" not in message:
        assert str(caught.value) == message


def test_whole_batches_are_taken_when_no_number_is_given():
    workload = transformer_block(evaluation=7)
    result = simulate("rap_int8", workload, chips=1, batch=2, compare=())
    assert result.manifest.samples == 6


def test_samples_of_a_workload_without_weights_are_refused(vit):
    with pytest.raises(
        InputError,
        match=r"^workload 'vit_digits' has shapes only, no samples to take 3 from$",
    ):
        simulate("rap_int8", shapes_only(vit), samples=3)


@pytest.mark.parametrize("missing", ["all", "evaluation", "every one"])
def test_weights_without_evaluation_samples_are_refused(vit, missing):
    samples = {
        "all": None,
        "evaluation": replace(vit.samples, evaluation={}, labels=None),
        "every one": replace(vit.samples, evaluation={"image": np.zeros((0, 1, 8, 8), np.float32)}),
    }[missing]
    with pytest.raises(
        InputError, match=r"^workload 'vit_digits' has weights but no evaluation samples; add "
    ):
        simulate("rap_int8", replace(vit, samples=samples))


def test_weights_without_calibration_samples_are_refused(vit):
    samples = replace(vit.samples, calibration={})
    with pytest.raises(QuantizationError, match="has weights but no calibration samples"):
        simulate("rap_int8", replace(vit, samples=samples))


def test_overrides_need_a_file_to_override():
    with pytest.raises(InputError, match=r"^overrides need an architecture given by name or path$"):
        simulate(load_architecture("rap_int8"), "vit_digits", overrides=["node_nm=22.0"])


def test_a_wrong_override_is_refused():
    with pytest.raises(ConfigError, match="macros"):
        simulate("rap_int8", "vit_digits", overrides=["macros.mram.adc.level=9"])


def test_a_chip_that_is_too_small_says_by_how_much(vit):
    """30 blocks of weights: patches, per layer 4 square and 2 + 1 of the MLP, classifier."""
    with pytest.raises(MappingError) as caught:
        simulate("rap_int8", vit, samples=1, overrides=["tile.macros.mram=1", "chip.tiles=1"])
    assert str(caught.value) == (
        "op 'blocks.0.attention.query' needs 1 'mram' macros of 1024x1024 cells (weights: 64x64, "
        "8 slices)\n  but 0 are free on architecture 'rap_int8' (tiles: 1, 'mram' macros per tile: "
        "1, used: 1).\n  The whole workload needs 30, 1 are present: raise chip.tiles to at least "
        "30, or tile.macros.mram to at least 30; or set mapping.time_multiplex to true (give "
        "macros.mram.reprogram and chip.memory as well): macros are then reprogrammed in rounds."
    )


def test_a_scheme_needs_its_units(vit):
    with pytest.raises(
        QuantizationError,
        match=r"^architecture 'rap_int8': units\.layer_norm\.model is 'ibert_layer_norm', but "
        r"numerics\.scheme 'int8_dqq' builds 'fp16_layer_norm' or 'fp32_layer_norm'; change one "
        r"of the two$",
    ):
        simulate("rap_int8", vit, samples=1, overrides=["numerics.scheme=int8_dqq"])


# --- counted twice -------------------------------------------------------------------------------


def test_the_passes_agree(passes: ChipRun):
    check_agreement(passes.mapped, passes.functional, passes.timeline)


def test_a_miscounted_read_is_found(passes: ChipRun):
    counts = list(passes.functional.counts)
    index = next(i for i, count in enumerate(counts) if count.op == "head")
    macro = counts[index].macros[0]
    counts[index] = replace(counts[index], macros=(replace(macro, reads=macro.reads + 1),))
    wrong = replace(passes.functional, counts=tuple(counts))
    with pytest.raises(
        SimulationError,
        match=rf"^op 'head': {macro.reads + 1} reads in 4 inferences, timing counted "
        rf"{macro.reads // 4} in one; please report this$",
    ):
        check_agreement(passes.mapped, wrong, passes.timeline)


def test_a_miscounted_write_is_found(passes: ChipRun):
    op, written = next(iter(passes.timeline.writes.items()))
    wrong = replace(passes.timeline, writes={**passes.timeline.writes, op: written + 1})
    with pytest.raises(
        SimulationError,
        match=rf"^op '{op}': {4 * written} write cycles in 4 inferences, timing counted "
        rf"{written + 1} in one; please report this$",
    ):
        check_agreement(passes.mapped, passes.functional, wrong)


def test_a_miscounted_movement_is_found(passes: ChipRun):
    moved = dict(passes.timeline.moved)
    moved["norm"] = MovedBits(1, 2, 3, 4, 5)
    with pytest.raises(
        SimulationError, match=r"^op 'norm': mapping moves MovedBits.*please report"
    ):
        check_agreement(passes.mapped, passes.functional, replace(passes.timeline, moved=moved))


def test_all_errors_of_a_run_are_ours(vit: Workload):
    """Nothing but the package's own errors for an unknown name."""
    for architecture, workload in (("rapp", vit), ("rap_int8", "vit_digit")):
        with pytest.raises(PimsimError, match="did you mean"):
            simulate(architecture, workload)


@pytest.mark.parametrize(
    ("name", "dims", "samples"),
    [
        ("vit_digits", {}, 64),
        ("gpt2", {"seq": 16}, 64),  # 16 x 50,257 scores
        ("gpt2", {"seq": 1024}, 1),  # 1,024 x 50,257 scores: 2**26 // 51,463,168
        ("llama2_7b", {"seq": 512}, 4),  # 512 x 32,000 scores; no weight of 131 million counts
    ],
)
def test_the_float32_reference_runs_fewer_samples_together_where_they_are_large(
    name: str, dims: dict[str, int], samples: int
) -> None:
    workload = load_workload(name)
    assert reference_chunk(workload, workload.bind(batch=8, **dims)) == samples
