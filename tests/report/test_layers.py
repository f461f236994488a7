"""Quality of layers as a table, a figure and a folder."""

import json
import math
from dataclasses import replace

import pytest

from pimsim.errors import OutputError
from pimsim.functional.quality import BitSparsity, LayerQuality, QuantizationQuality
from pimsim.quantization import Observer
from pimsim.records import Accuracy
from pimsim.report import layers
from tests.report.test_figures import texts


def layer(name: str, sqnr_db: float, **changes) -> LayerQuality:
    plain = LayerQuality(
        layer=name, kind="linear", bits=8, sqnr_db=sqnr_db, clipped_ratio=0.0, largest=2.0,
        peak_to_rms_db=12.0, outlier_ratio=0.0,
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture
def quality() -> QuantizationQuality:
    return QuantizationQuality(
        workload="tiny",
        architecture="rap",
        scheme="int4",
        observer=Observer(),
        samples=8,
        accuracy=Accuracy(
            metric="top1_ratio", higher_is_better=True, samples=8, float32=1.0, integer=0.5,
            analog=(0.5,), agreement_ratio=0.5, logit_snr_db=math.inf,
        ),
        layers=(
            layer("input", math.inf, kind="input"),
            layer("norm", 31.25, kind="layer_norm"),
            layer("up", 12.5, clipped_ratio=0.0213, driven=BitSparsity(4, 0.5, 0.625)),
            layer("add", 18.0, kind="add"),
        ),
    )  # fmt: skip


def test_the_table_has_one_row_per_layer_and_one_column_per_number(quality):
    table = layers.layers(quality)
    assert list(table["layer"]) == ["input", "norm", "up", "add"]
    up = table.iloc[2]
    assert (up["sqnr_db"], up["driven_bits"], up["driven_sign_magnitude_ratio"]) == (12.5, 4, 0.625)
    assert table["stored_bits"].isna().all()


def test_what_is_exact_has_no_ratio_in_json(quality):
    document = json.loads(layers.to_json(quality))
    assert document["format_version"] == 1
    assert [row["sqnr_db"] for row in document["layers"]] == [None, 31.25, 12.5, 18.0]
    assert document["accuracy"]["logit_snr_db"] is None
    assert document["layers"][2]["driven"] == {
        "bits": 4, "twos_complement_ratio": 0.5, "sign_magnitude_ratio": 0.625,
    }  # fmt: skip


def test_the_figure_shows_the_noisiest_layers_the_worst_on_top(quality):
    figure = layers.draw(quality)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["up", "add", "norm"]
    bars = {round(bar.get_y() + bar.get_height() / 2): bar.get_width() for bar in axes.patches}
    assert bars == {0: 12.5, 1: 18.0, 2: 31.25}
    shown = " ".join(texts(figure)).replace("\u202f", " ")
    assert "12.5 dB, 2.1 % clipped" in shown
    assert "tiny, int4: the 3 noisiest of 4 layers" in shown
    assert "output of a product" in shown


def test_a_network_without_noise_has_a_figure_too(quality):
    exact = replace(quality, layers=quality.layers[:1])
    assert "the 0 noisiest of 1 layers" in " ".join(texts(layers.draw(exact)))


def test_noise_above_the_signal_is_drawn_to_the_left(quality):
    figure = layers.draw(replace(quality, layers=(layer("bad", -3.0), *quality.layers)))
    assert figure.axes[0].get_xlim()[0] == -3.0


def test_a_folder_is_written_whole_and_replaced_by_its_like(quality, tmp_path):
    place = tmp_path / "out"
    layers.write(quality, place)
    first = {path.relative_to(place): path.read_bytes() for path in place.rglob("*.*")}
    layers.check_folder(place)
    layers.write(quality, place)
    assert {path.relative_to(place): path.read_bytes() for path in place.rglob("*.*")} == first
    assert {path.as_posix() for path in first} == {
        "quantization.json", "layers.csv", "figures/layers.svg", "figures/layers.png",
    }  # fmt: skip


def test_a_folder_of_other_things_stays(quality, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for refuse in (lambda: layers.check_folder(tmp_path), lambda: layers.write(quality, tmp_path)):
        with pytest.raises(OutputError, match=r"it holds other things \(thesis\.tex, \.\.\.\)"):
            refuse()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
