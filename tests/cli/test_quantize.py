"""``pimsim quantize`` prints the worst layers and writes all of them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from pimsim.functional.quality import quantization_quality

Invoke = Callable[..., Result]
SHORT = ("quantize", "vit_digits", "--samples", "8")


def test_the_table_names_the_worst_layers_and_the_files(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke(*SHORT)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "vit_digits, scheme rap_int8p1"
    assert lines[1] == "units of rap, observer absolute_max, 8 samples, exact products"
    assert lines[2].startswith("top1: float32 100.00 %, quantized 100.00 %; same answer 100.00 %")
    assert max(map(len, lines)) <= 100
    folder = tmp_path / "pimsim-out" / "vit_digits-rap-quantize"
    text = (folder / "layers.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    worst = sorted(rows, key=lambda row: float(row["sqnr_db"]))
    assert [line.split()[0] for line in lines[6:18]] == [row["layer"] for row in worst[:12]]
    assert f"worst 12 of {len(rows)} layers" in result.stdout
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "layers.csv",
        "layers.png",
        "layers.svg",
        "quantization.json",
    ]


def test_json_is_what_the_library_finds(invoke: Invoke, tmp_path: Path) -> None:
    import pimsim

    settings = ("--scheme", "int4", "--set", "numerics.observer=mse", "--format", "json")
    result = invoke(*SHORT, *settings, "--output", "here")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert result.stdout == (tmp_path / "here" / "quantization.json").read_text(encoding="utf-8")
    chip = pimsim.load_architecture(
        "rap_int8", overrides=["numerics.scheme=int4", "numerics.observer=mse"]
    )
    quality = quantization_quality(pimsim.load_workload("vit_digits"), chip, samples=8)
    assert (found["scheme"], found["observer"]["kind"]) == ("int4", "mse")
    assert [layer["layer"] for layer in found["layers"]] == [
        layer.layer for layer in quality.layers
    ]
    assert [layer["sqnr_db"] for layer in found["layers"]] == [
        layer.sqnr_db for layer in quality.layers
    ]
    assert found["accuracy"]["logit_snr_db"] == quality.accuracy.logit_snr_db


def test_an_earlier_folder_is_replaced(invoke: Invoke, tmp_path: Path) -> None:
    for scheme in ("int8_dyadic", "int4"):
        assert invoke(*SHORT, "--scheme", scheme, "--output", "here").exit_code == 0
    text = (tmp_path / "here" / "quantization.json").read_text(encoding="utf-8")
    assert json.loads(text)["scheme"] == "int4"


def test_the_observer_is_named_with_its_share(invoke: Invoke) -> None:
    settings = ("numerics.observer=percentile", "numerics.percentile_ratio=0.999")
    result = invoke(*SHORT, *(word for one in settings for word in ("--set", one)))
    assert "observer percentile 0.999, 8 samples" in result.stdout
