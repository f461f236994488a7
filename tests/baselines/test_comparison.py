"""What every result is set beside."""

from dataclasses import replace

import pytest

from pimsim.baselines import compared, default_baselines, predict
from pimsim.baselines.comparison import DEFAULT_GPUS, best_known, matching_runs
from pimsim.baselines.specification import rows_of
from pimsim.workload import load_workload
from pimsim.workload.runs import Wanted, in_phase
from tests.baselines.graphs import encoder

BERT = load_workload("bert_base")


def test_every_default_gpu_stands_alone_and_at_its_best_batch():
    rows = default_baselines(encoder(layers=2), {"batch": 1})
    assert len(rows) == 2 * len(DEFAULT_GPUS)
    for alone, best in zip(rows[::2], rows[1::2], strict=True):
        assert (alone.name, alone.precision, alone.batch) == (best.name, best.precision, 1)
        assert best.batch > 1
        assert best.energy_uj < alone.energy_uj
        assert best.latency_us / best.batch < alone.latency_us


def test_rows_state_kind_scope_source_and_area():
    for row in default_baselines(encoder(), {"batch": 1}):
        assert row.kind == "gpu_roofline_calibrated"
        for part in ("memory and idle power", "excludes host", "no sparsity", "energy per input"):
            assert part in row.scope
        assert "assumed" in row.source
        assert row.area_mm2 == row.model_area_mm2
        assert row.node_nm is not None


def test_a_published_run_of_exactly_the_case_goes_before_the_roofline():
    """TensorRT 8.4.3: 0.58 ms alone; where no run is known, the roofline stays."""
    rows = default_baselines(BERT, {"batch": 1, "seq": 128})
    assert (rows[0].kind, rows[0].latency_us) == ("gpu_published", 580.0)
    assert "TensorRT 8.4.3" in rows[0].source
    assert "energy from the power of" in rows[0].source
    other = default_baselines(BERT, {"batch": 1, "seq": 100})
    assert {row.kind for row in other} == {"gpu_roofline_calibrated"}


def test_the_energy_of_a_published_run_is_its_latency_times_the_predicted_power():
    prediction = predict(BERT, "t4", batch=8, seq=128, precision="int8")
    row = best_known(BERT, prediction)
    assert row.latency_us == 4660.0
    assert row.energy_uj == pytest.approx(prediction.power_mw * 1e-3 * 4660.0 / 8)


def test_a_measured_run_goes_first_with_its_own_energy():
    prediction = predict(BERT, "t4", batch=8, seq=128, precision="int8")
    published = next(run for run in rows_of("t4") if run.batch == 8 and run.seq == 128)
    ours = replace(published, kind="measured", latency_us=5000.0, energy_uj=320_000.0)
    row = best_known(BERT, prediction, [ours])
    assert (row.kind, row.latency_us, row.energy_uj) == ("gpu_measured", 5000.0, 40_000.0)
    assert [run.kind for run in matching_runs(BERT, prediction, [ours])] == [
        "measured",
        "published",
    ]


def test_another_network_of_the_same_name_has_no_published_run():
    impostor = encoder(name="bert_base")
    prediction = replace(
        predict(impostor, "t4", batch=8, precision="int8"), workload="bert_base", seq=128
    )
    assert matching_runs(impostor, prediction) == []


def test_rows_that_count_something_else_never_stand_for_a_case():
    large = load_workload("bert_large")
    prediction = predict(large, "l4", batch=1, seq=384, precision="int8")
    assert {run.use for run in matching_runs(large, prediction)} == {"fit"}


def test_a_gpu_that_is_too_small_is_left_out_and_named(monkeypatch):
    gpus = (("t4", "fp16"), ("jetson_orin_nano", "fp16"))
    monkeypatch.setattr("pimsim.baselines.comparison.DEFAULT_GPUS", gpus)
    step = in_phase(load_workload("llama2_7b"), Wanted("decode", 64, None, None))
    found = compared(step, step.bind(batch=1))
    assert {row.name for row in found.baselines} == {"NVIDIA T4"}
    (note,) = found.missing
    assert note.startswith("not compared with NVIDIA Jetson Orin Nano 8GB in fp16: workload")
    assert "8 GB" in note
