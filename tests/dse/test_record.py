"""A sweep's folder is read back as what it was, or refused with what to do."""

import json
import re
import shutil

import pandas as pd
import pytest

from pimsim.config import load_architecture
from pimsim.dse.judging import knees, on_front
from pimsim.dse.knees import folder_names, knees_of, why_none
from pimsim.dse.record import is_sweep, open_sweep
from pimsim.dse.sweep_file import load_sweep
from pimsim.dse.sweeping import explore
from pimsim.errors import InputError, ModelRangeError
from pimsim.sweeps import keep_knees, sweep

BOUNDED = ("samples: 4", "constraints: {area_mm2: {max: 10.0}}\noverrides: {node_nm: 28.0}")


@pytest.fixture
def explored(sweep_file, tmp_path, without_simulation):
    return explore(sweep_file(BOUNDED), output=tmp_path / "out")


@pytest.fixture
def whole(monkeypatch):
    """Knees are neither run nor written; returns what would have been written, and where."""
    written = {}

    def write(result, folder):
        folder.mkdir(parents=True)
        (folder / "result.json").write_text("{}")
        written[folder] = result

    monkeypatch.setattr("pimsim.dse.knees.run_whole", lambda task: task.overrides)
    monkeypatch.setattr("pimsim.report.folder.write", write)
    return written


def test_a_record_is_what_was_asked_and_found(explored, tmp_path):
    record = open_sweep(tmp_path / "out")
    pd.testing.assert_frame_equal(record.frame, explored.frame, check_dtype=False)
    assert (record.name, record.points, record.complete) == ("example", 12, True)
    assert record.axes == ("macros.mram.adc.levels", "chip.clock_ghz")
    assert record.workloads == ("vit_digits",)
    assert record.overrides == ("node_nm=28.0",)
    assert record.sampler["model"] == "grid"
    assert record.objectives == {"energy_uj": "minimize", "latency_us": "minimize"}
    assert record.constraints == {"area_mm2": {"max": 10.0}}
    assert (record.seeds, record.samples, record.chips, record.batch) == ((0,), None, 1, 1)
    assert (record.seq, record.phase, record.context) == (None, None, None)
    assert record.knees == {}
    assert is_sweep(record.folder)
    assert load_architecture(record.architecture) == load_architecture("rap")
    assert (on_front(record.frame, record) == on_front(explored.frame, explored.asked)).all()


def test_overrides_of_a_row_are_its_design(explored):
    for row in explored.frame.to_dict("records"):
        chip = load_architecture("rap", overrides=json.loads(row["overrides"]))
        assert chip.macros["mram"].adc.levels == row["macros.mram.adc.levels"]
        assert chip.chip.clock_ghz == row["chip.clock_ghz"]


def test_an_incomplete_sweep_says_so_and_has_no_knee(sweep_file, tmp_path, without_simulation):
    explored = explore(sweep_file(), output=tmp_path / "out", limit=5)
    assert not explored.complete
    assert keep_knees(explored) == {}
    record = open_sweep(tmp_path / "out")
    assert (len(record.frame), record.points, record.complete) == (5, 12, False)
    assert record.knees == {}


def test_the_knee_is_written_once_and_again_when_it_is_another(
    sweep_file, tmp_path, without_simulation, whole
):
    folder = tmp_path / "out"
    frame = sweep(sweep_file(), output=folder)
    record = open_sweep(folder)
    place = knees(frame, load_sweep(sweep_file()))["vit_digits"]
    assert record.knee_points == {"vit_digits": place}
    assert record.knees == {"vit_digits": folder / "knee" / "vit_digits"}
    assert list(whole.values()) == [tuple(json.loads(frame["overrides"].iloc[place]))]
    whole.clear()
    sweep(sweep_file(), output=folder, resume=True)
    assert not whole
    assert open_sweep(folder).knees == record.knees


def test_no_front_no_knee_and_why(sweep_file, tmp_path, without_simulation, whole):
    impossible = ("samples: 4", "constraints: {area_mm2: {max: 1.0}}")
    folder = tmp_path / "out"
    sweep(sweep_file(impossible), output=folder)
    assert open_sweep(folder).without_knee == {
        "vit_digits": "no point of it has all objectives and keeps the constraints "
        "(area_mm2 is never 1 or less, at least 5)"
    }
    assert not whole


def test_a_knee_that_fails_as_a_whole_is_told_and_the_frame_stays(
    sweep_file, tmp_path, without_simulation, monkeypatch
):
    def refused(task):
        raise ModelRangeError("variant 'paper' holds at 28 nm")

    monkeypatch.setattr("pimsim.dse.knees.run_whole", refused)
    assert len(sweep(sweep_file(), output=tmp_path / "out")) == 12
    record = open_sweep(tmp_path / "out")
    assert record.complete
    assert record.knees == {}
    told = record.without_knee["vit_digits"]
    assert re.fullmatch(r"point \d+ has no whole result: variant 'paper' holds at 28 nm", told)


def test_a_knee_whose_folder_is_gone_is_told(sweep_file, tmp_path, without_simulation, whole):
    sweep(sweep_file(), output=tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "knee")
    record = open_sweep(tmp_path / "out")
    assert record.knees == {}
    assert "knee/vit_digits is not there" in record.without_knee["vit_digits"]


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        (("[5, 9, 17]", "[13]"), "all its points failed"),
        (("{energy_uj: minimize, latency_us: minimize}", "{}"), "the sweep has no objectives"),
    ],
)
def test_reasons_for_having_no_knee(sweep_file, without_simulation, replaced, reason):
    explored = explore(sweep_file(replaced))
    assert list(knees_of(explored.asked, explored.frame)) == []
    assert why_none(explored.asked, explored.frame, "vit_digits") == reason


def test_folders_of_knees_never_share_a_name():
    names = folder_names(["vit", "a/vit", "b/vit", "vit_2"])
    assert len(set(names.values())) == 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "sweep.json").unlink(), r"no sweep in .*: it has no sweep\.json"),
        (lambda folder: (folder / "sweep.json").write_text("{"), "is not what pimsim wrote"),
        (lambda folder: (folder / "sweep.json").write_text("[]"), "is not what pimsim wrote"),
        (
            lambda folder: (folder / "sweep.json").write_text('{"format_version": 7}'),
            "has format_version 7, this pimsim reads 1; run the sweep again",
        ),
        (
            lambda folder: (folder / "sweep.json").write_text('{"format_version": 1}'),
            "is not what pimsim wrote",
        ),
        (lambda folder: (folder / "points.parquet").unlink(), "go on with it with --output"),
        (lambda folder: (folder / "points.parquet").write_text("x"), "is not what pimsim wrote"),
    ],
)
def test_what_is_no_record_is_refused(explored, tmp_path, spoil, message):
    spoil(tmp_path / "out")
    with pytest.raises(InputError, match=message):
        open_sweep(tmp_path / "out")


def test_other_places_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        open_sweep(tmp_path / "nowhere")
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(InputError, match="it holds the result of one run"):
        open_sweep(tmp_path)
    with pytest.raises(InputError, match="is a file; name the folder"):
        open_sweep(tmp_path / "result.json")


@pytest.mark.slow
def test_the_whole_result_of_a_knee_is_that_of_its_point(sweep_file, tmp_path):
    """With real points: what the folder holds is what the frame says."""
    import pimsim

    file = sweep_file(
        ("points: 4", "points: 2"), ("[5, 9, 17]", "[9]"), ("samples: 4", "samples: 1")
    )
    frame = pimsim.sweep(file, output=tmp_path / "out")
    record = open_sweep(tmp_path / "out")
    row = frame.iloc[record.knee_points["vit_digits"]]
    result = pimsim.load_result(record.knees["vit_digits"])
    assert (result.energy_uj, result.latency_us) == (row["energy_uj"], row["latency_us"])
    assert list(result.manifest.overrides) == json.loads(row["overrides"])
    assert any(baseline.kind.startswith("gpu") for baseline in result.baselines)
    assert len(result.cost_variants) > 1
