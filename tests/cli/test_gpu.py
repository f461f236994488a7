"""``pimsim gpu``: what it prints, and how it refuses."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pimsim.cli.main import app

GOLDEN = Path(__file__).parent / "golden"
REQUIRED = [
    "gpu", "workload", "batch", "seq", "precision", "latency_us", "energy_uj", "kind", "source",
    "expected_error_ratio",
]  # fmt: skip


def call(*arguments):
    return CliRunner().invoke(app, ["gpu", *arguments], terminal_width=100)


def words(text):
    """Drop what differs between versions of typer: line breaks, defaults, ranges, choices."""
    return " ".join(re.sub(r"\[[^\]]*\]|<[^>]*>", "", text).split())


@pytest.mark.parametrize("verb", ["", "list", "show", "predict", "measure"])
def test_the_help_reads_as_the_stored_one_and_is_one_screen(invoke, verb):
    """After a wanted change: COLUMNS=80 pimsim gpu VERB --help > .../help_gpu_VERB.txt."""
    result = invoke("gpu", *filter(None, [verb]), "--help")
    assert result.exit_code == 0
    golden = GOLDEN / f"help_gpu{'_' if verb else ''}{verb}.txt"
    assert words(result.stdout) == words(golden.read_text(encoding="utf-8"))
    assert len(result.stdout.splitlines()) <= 50


def test_every_gpu_is_listed():
    done = call("list", "--format", "json")
    listed = {entry["gpu"]: entry for entry in json.loads(done.output)}
    assert listed["t4"]["precisions"] == ["fp32", "fp16", "int8"]
    assert listed["h100_sxm"]["memory_bytes"] == 80e9
    assert "h200_sxm: NVIDIA" in call("list").output


def test_a_prediction_has_the_keys_that_scripts_read():
    done = call(
        "predict", "bert_base", "--gpu", "T4", "--batch", "8", "--seq", "128",
        "--precision", "int8", "--format", "json",
    )  # fmt: skip
    assert done.exit_code == 0
    found = json.loads(done.output)
    assert set(REQUIRED) <= set(found)
    assert (found["gpu"], found["workload"], found["batch"], found["seq"]) == (
        "t4", "bert_base", 8, 128,
    )  # fmt: skip
    assert found["kind"] == "gpu_roofline_calibrated"
    assert found["latency_us"] == pytest.approx(4660, rel=0.2)  # TensorRT 8.4.3
    assert found["energy_uj"] == pytest.approx(found["latency_us"] * found["power_mw"] / 1000)
    (known,) = found["known_runs"]
    assert (known["kind"], known["latency_us"]) == ("published", 4660.0)


def test_a_printed_prediction_names_case_error_and_sources():
    done = call(
        "predict", "llama2_7b", "--gpu", "h100", "--phase", "decode", "--context", "512",
        "--precision", "fp8",
    )  # fmt: skip
    text = " ".join(done.output.split())
    for part in ("decode, 512 tokens", "error to expect", "average power", "utilisation only"):
        assert part in text


def test_a_gpu_is_shown_with_sources_coefficients_and_residuals():
    text = " ".join(call("show", "t4").output.split())
    for part in ("idle_power_mw", "assumed", "recalled", "left out", "tested", "demo/BERT"):
        assert part in text
    document = json.loads(call("show", "t4", "--format", "json").output)
    assert document["specification"]["board_power_mw"]["value"] == 70_000.0
    assert {known["precision"] for known in document["calibrations"]} == {"fp32", "fp16", "int8"}
    left_out = [row for row in document["rows"] if row["how"] == "left out"]
    assert len(left_out) == 89
    assert all(0.7 < row["predicted_ratio"] < 1.3 for row in left_out)


def test_rows_of_ones_own_stand_beside_the_prediction(tmp_path):
    rows = tmp_path / "rows.yaml"
    rows.write_text(
        "schema_version: 1\ngpu: t4\nsources: {a: {reference: ours, place: here}}\nruns:\n"
        "  - {model: vit_base, precision: fp16, software: x, source: a, use: test, batch: [4],\n"
        "     latency_us: [9000.0]}\n"
    )
    common = ["vit_base", "--gpu", "t4", "--batch", "4", "--rows", str(rows)]
    found = json.loads(call("predict", *common, "--format", "json").output)
    assert found["known_runs"][0]["source"] == "ours, here"
    assert "given: vit_base batch 4" in call("show", "t4", "--rows", str(rows)).output


def test_the_roofline_is_drawn(tmp_path):
    path = tmp_path / "roof.svg"
    done = call("predict", "vit_base", "--gpu", "t4", "--batch", "4", "--figure", str(path))
    assert done.exit_code == 0
    assert "vit_base on NVIDIA T4" in path.read_text()
    wrong = call("predict", "vit_base", "--gpu", "t4", "--figure", "roof.gif")
    assert wrong.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["predict", "bert_base", "--gpu", "t4", "--batch", "0"], 2, "must be 1 or more, got 0"),
        (["predict", "bert_base", "--gpu", "t5", "--seq", "8"], 1, "unknown GPU 't5'"),
        (
            ["predict", "bert_base", "--gpu", "t4", "--seq", "8", "--precision", "int2"],
            1,
            "unknown precision 'int2'; NVIDIA T4 has fp32, fp16, int8",
        ),
        (["predict", "bert_base", "--gpu", "t4"], 1, "say how many with seq"),
        (["predict", "bert_bas", "--gpu", "t4"], 1, "did you mean 'bert_base'"),
        (["show", "t4", "--rows", "none.yaml"], 1, "none.yaml: does not exist"),
        (["measure", "bert_base", "--batch", "1,x"], 2, "whole numbers of 1 or more"),
        (["measure", "bert_base", "--compile", "--cuda-graphs"], 2, "exclude each other"),
    ],
)
def test_mistakes_are_one_message(arguments, status, message):
    done = call(*arguments)
    assert done.exit_code == status
    assert message in " ".join(done.output.replace("│", "").split())
    assert "Traceback" not in done.output


def test_measuring_without_gpu_or_pytorch_is_one_line():
    """Whether PyTorch is missing or the GPU: exit status 1 and one line."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pimsim.cli.main import app; app(['gpu', 'measure', 'bert_base'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "needs an NVIDIA GPU and PyTorch" in done.stderr


@pytest.mark.torch
def test_a_machine_without_a_gpu_says_so_in_one_line():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = call("measure", "bert_base")
    assert done.exit_code == 1
    assert "no NVIDIA GPU that PyTorch can use was found" in done.output
    assert len(done.output.strip().splitlines()) == 1
