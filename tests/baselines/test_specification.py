"""The files of the GPUs: complete, consistent, with a source for every number."""

import pytest

from pimsim.baselines.runs import read_runs
from pimsim.baselines.specification import (
    PRECISIONS,
    canonical,
    check_precision,
    known_gpus,
    load_gpu,
    numbers,
    read_gpu,
    rows_of,
)
from pimsim.config.bundled import bundled_workloads
from pimsim.errors import ConfigError, NotFoundError

ASKED_FOR = [
    "v100_sxm2", "t4", "a100_40gb_sxm", "a30", "l4", "rtx_3090", "rtx_4090", "h100_sxm", "h200_sxm",
    "jetson_orin_nano", "jetson_agx_orin",
]  # fmt: skip


def test_the_gpus_that_comparisons_need_are_there():
    assert set(ASKED_FOR) <= set(known_gpus())


@pytest.mark.parametrize("name", known_gpus())
def test_every_number_of_a_data_sheet_has_a_source_and_a_mark(name):
    gpu = load_gpu(name)
    found = numbers(gpu.specification)
    assert len(found) >= 10
    for label, number in found.items():
        source = gpu.sources[number.source]
        assert source.reference, label
        assert source.place, label
        assert number.mark == "assumed" or source.reference != "none", label


@pytest.mark.parametrize("name", known_gpus())
def test_every_row_has_a_source_and_says_what_it_leaves_out(name):
    for run in rows_of(name):
        assert run.gpu == name
        assert ", " in run.source
        assert run.latency_us > 0
        assert run.use in ("fit", "test", "shown")
        if run.use == "shown":
            assert run.caveat
        else:
            assert run.model in bundled_workloads()
        assert run.precision in load_gpu(name).specification.peak_ops_per_s


@pytest.mark.parametrize("name", known_gpus())
def test_relatives_are_known_and_others(name):
    gpu = load_gpu(name)
    assert gpu.nearest
    assert name not in gpu.nearest
    assert set(gpu.nearest) <= set(known_gpus())


def test_aliases_are_unambiguous():
    aliases = [alias for name in known_gpus() for alias in load_gpu(name).aliases]
    assert len(set(aliases)) == len(aliases)
    assert not set(aliases) & set(known_gpus())


@pytest.mark.parametrize(
    ("given", "name"),
    [("t4", "t4"), ("A100", "a100_40gb_sxm"), ("Orin Nano", "jetson_orin_nano"), ("L40S", "l40s")],
)
def test_names_are_found_however_they_are_written(given, name):
    assert canonical(given) == name


def test_an_unknown_gpu_is_refused_with_the_nearest_name():
    with pytest.raises(NotFoundError, match=r"unknown GPU 'a31'; did you mean 'a30'\?"):
        canonical("a31")


def test_a_precision_that_the_gpu_lacks_is_refused_with_those_that_it_has():
    assert check_precision("t4", "int8") == "int8"
    with pytest.raises(NotFoundError, match="NVIDIA T4 has no bf16; it has fp32, fp16, int8"):
        check_precision("t4", "bf16")
    with pytest.raises(NotFoundError, match="unknown precision 'int3'; NVIDIA T4 has fp32, fp16"):
        check_precision("t4", "int3")


def test_peaks_never_fall_with_fewer_bits():
    for name in known_gpus():
        peaks = load_gpu(name).specification.peak_ops_per_s
        ordered = [peaks[precision].value for precision in PRECISIONS if precision in peaks]
        assert ordered == sorted(ordered), name


GPU = """schema_version: 1
name: Mine
architecture: ampere
nearest: [a30]
sources:
  sheet: {reference: data sheet, place: table 1}
specification:
  node_nm: {value: 7.0, source: sheet, mark: read}
  die_area_mm2: {value: 100.0, source: sheet, mark: read}
  multiprocessors: {value: 10, source: sheet, mark: read}
  memory_bytes: {value: 1.0e+9, source: sheet, mark: read}
  memory_bytes_per_ns: {value: 100.0, source: sheet, mark: read}
  cache_bytes: {value: 1.0e+6, source: sheet, mark: read}
  board_power_mw: {value: 100000.0, source: sheet, mark: read}
  idle_power_mw: {value: 10000.0, source: sheet, mark: assumed}
  peak_ops_per_s:
    fp16: {value: 1.0e+13, source: sheet, mark: read}
runs:
  - {model: bert_base, seq: 128, precision: fp16, software: TRT, source: sheet, use: fit,
     batch: [1, 2], latency_us: [100.0, 150.0]}
"""


def test_a_gpu_of_ones_own_is_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GPU)
    gpu = read_gpu(path)
    assert gpu.runs[0].latency_us == (100.0, 150.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "100000.0",
            "-5.0",
            r"mine\.yaml:14: specification\.board_power_mw\.value: must be above 0",
        ),
        ("value: 10000.0", "value: 100001.0", r"idle_power_mw.*must be below board_power_mw"),
        ("value: 7.0, source: sheet", "value: 7.0, source: shee", "'shee' is not among"),
        ("source: sheet, use: fit", "source: other, use: fit", "'other' is not among"),
        (
            "fp16: {value",
            "fp12: {value",
            r"mine\.yaml:17: specification\.peak_ops_per_s\.fp12: must be",
        ),
        ("latency_us: [100.0, 150.0]", "latency_us: [100.0]", "has 1 numbers, but batch has 2"),
        (
            "latency_us: [100.0, 150.0]",
            "latency_us: [100.0, -1.0]",
            r"mine\.yaml:2[01].*latency_us",
        ),
        (
            "batch: [1, 2]",
            "batch: [0, 2]",
            r"mine\.yaml:20: runs\[0\]\.batch\[0\]: must be at least 1",
        ),
        (", latency_us: [100.0, 150.0]", "", "needs latency_us or throughput_per_s"),
        ("seq: 128", "seq: 128, context: 3", "given with a phase, and only then"),
        ("use: fit", "use: fit, kind: measured", "provenance: missing"),
        ("memory_bytes_per_ns", "memory_gb_per_s", "did you mean 'memory_bytes_per_ns'"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_key(tmp_path, old, new, message):
    path = tmp_path / "mine.yaml"
    assert GPU.count(old) == 1
    path.write_text(GPU.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read_gpu(path)


def test_a_row_file_gives_throughput_as_latency(tmp_path):
    path = tmp_path / "rows.yaml"
    path.write_text(
        "schema_version: 1\ngpu: t4\nsources: {a: {reference: paper, place: table 2}}\nruns:\n"
        "  - {model: llama2_7b, phase: generate, context: 8, new_tokens: 100, precision: fp16,\n"
        "     software: x, source: a, use: test, batch: [4], throughput_per_s: [200.0]}\n"
        "  - {model: vit_base, precision: fp16, software: x, source: a, use: shown, caveat: none,\n"
        "     batch: [8], throughput_per_s: [400.0]}\n"
    )
    texts, images = read_runs(path)
    assert texts.latency_us == pytest.approx(2e6)  # 4 x 100 tokens at 200 per second
    assert images.latency_us == pytest.approx(2e4)
    assert texts.source == "paper, table 2"
