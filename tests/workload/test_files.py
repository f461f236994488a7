"""Workload folders: written and read back byte for byte, refused when damaged."""

import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pimsim.errors import NotFoundError, OutputError, WorkloadError
from pimsim.workload import schema
from pimsim.workload.files import (
    GRAPH_FILE,
    SAMPLES_FILE,
    WEIGHTS_FILE,
    load,
    load_workload,
    save,
    write_tensors,
)
from pimsim.workload.graph import Samples, Workload


def refusal(folder: Path, *, values: bool = False) -> str:
    """The message of loading, with the folder's path taken out."""
    with pytest.raises(WorkloadError) as caught:
        load(folder, values=values)
    return str(caught.value).replace(str(folder), "<folder>")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_saved_is_loaded(tiny: Workload, tiny_folder: Path) -> None:
    loaded = load(tiny_folder)
    assert replace(loaded, weights={}, samples=None) == replace(tiny, weights={}, samples=None)
    assert loaded.weights.keys() == tiny.weights.keys()
    for name, value in tiny.weights.items():
        assert loaded.weights[name].dtype == value.dtype
        assert np.array_equal(loaded.weights[name], value)
    assert tiny.samples is not None
    assert loaded.samples is not None
    assert np.array_equal(loaded.samples.calibration["x"], tiny.samples.calibration["x"])
    assert np.array_equal(loaded.samples.evaluation["x"], tiny.samples.evaluation["x"])
    assert np.array_equal(loaded.samples.reference["answer"], tiny.samples.reference["answer"])
    assert loaded.samples.labels is not None
    assert loaded.samples.labels.tolist() == tiny.samples.labels.tolist()  # type: ignore[union-attr]
    assert loaded.samples.count == 5


def test_saving_what_was_loaded_gives_the_same_bytes(tiny_folder: Path, tmp_path: Path) -> None:
    save(load(tiny_folder), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tiny_folder)


def test_the_order_of_dictionaries_does_not_change_the_bytes(
    tiny: Workload, tiny_folder: Path, tmp_path: Path
) -> None:
    turned = replace(tiny, weights=dict(reversed(tiny.weights.items())))
    save(turned, tmp_path / "turned")
    assert contents(tmp_path / "turned") == contents(tiny_folder)


def test_a_workload_can_be_saved_over_the_files_it_is_mapped_from(tiny_folder: Path) -> None:
    before = contents(tiny_folder)
    loaded = load(tiny_folder)
    save(loaded, tiny_folder)
    assert contents(tiny_folder) == before
    assert np.all(np.isfinite(loaded.weights["fc.weight"]))


def test_arrays_are_read_only_views_of_the_file(tiny_folder: Path) -> None:
    weight = load(tiny_folder).weights["fc.weight"]
    assert not weight.flags.writeable
    assert not weight.flags.owndata


def test_arrays_in_any_memory_order_are_saved_by_value(tiny: Workload, tmp_path: Path) -> None:
    weight = np.asfortranarray(tiny.weights["fc.weight"])
    save(replace(tiny, weights={**tiny.weights, "fc.weight": weight}), tmp_path / "f")
    assert np.array_equal(load(tmp_path / "f").weights["fc.weight"], weight)


def test_a_folder_without_weights_is_shape_only(tiny: Workload, tiny_folder: Path) -> None:
    save(replace(tiny, weights={}, samples=None), tiny_folder)  # removes the older files
    assert contents(tiny_folder).keys() == {GRAPH_FILE}
    loaded = load(tiny_folder)
    assert loaded.shape_only
    assert loaded.samples is None
    assert loaded.ops == tiny.ops


def test_weights_without_samples_load(tiny_folder: Path) -> None:
    (tiny_folder / SAMPLES_FILE).unlink()
    loaded = load(tiny_folder)
    assert not loaded.shape_only
    assert loaded.samples is None


def test_a_folder_that_is_not_there_or_not_a_folder(tmp_path: Path) -> None:
    content = "a workload is a folder with graph.json, weights.safetensors and samples.safetensors"
    assert refusal(tmp_path / "none") == f"<folder>: does not exist; {content}"
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file") == f"<folder>: is not a folder; {content}"


def test_a_folder_without_a_graph(tiny_folder: Path) -> None:
    (tiny_folder / GRAPH_FILE).unlink()
    assert refusal(tiny_folder) == "<folder>: has no graph.json, so it is not a workload folder"


def test_samples_without_weights(tiny_folder: Path) -> None:
    (tiny_folder / WEIGHTS_FILE).unlink()
    assert refusal(tiny_folder) == (
        "<folder>: has samples.safetensors but no weights.safetensors; restore the weights, or "
        "remove the samples for a shape-only workload"
    )


def test_a_graph_too_large_to_be_one(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MAX_GRAPH_BYTES", 100)
    size = (tiny_folder / GRAPH_FILE).stat().st_size
    assert refusal(tiny_folder) == (
        f"<folder>/graph.json: is {size} bytes; at most 100 are read, and a graph holds no "
        "weights; trace the model again"
    )


@pytest.mark.parametrize("name", [WEIGHTS_FILE, SAMPLES_FILE])
@pytest.mark.parametrize("kept", [0, 4, 20, -1])
def test_truncated_files_are_recognized(tiny_folder: Path, name: str, kept: int) -> None:
    path = tiny_folder / name
    path.write_bytes(path.read_bytes()[:kept])
    message = refusal(tiny_folder)
    assert message.startswith(f"<folder>/{name}: truncated or damaged safetensors file (")
    assert message.endswith("; restore it or build the workload again")


def test_a_pickle_is_refused(tiny_folder: Path) -> None:
    (tiny_folder / WEIGHTS_FILE).write_bytes(b"\x80\x04\x95" + b"\x00" * 64)
    assert "truncated or damaged safetensors file" in refusal(tiny_folder)


def test_element_types_that_numpy_lacks_are_refused(tiny_folder: Path) -> None:
    path = tiny_folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"U32"', 1))
    assert "element type U32 is not read; allowed: F16, F32, F64, I8" in refusal(tiny_folder)


@pytest.mark.parametrize("name", [GRAPH_FILE, WEIGHTS_FILE, SAMPLES_FILE])
def test_a_link_that_leaves_the_folder_is_refused(
    tiny_folder: Path, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    (tiny_folder / name).rename(outside)
    (tiny_folder / name).symlink_to(Path("..") / "outside")
    assert refusal(tiny_folder) == (
        f"<folder>/{name}: points to {outside}, outside the workload folder; copy the file "
        "into the folder"
    )


def test_a_link_to_the_folder_itself_is_fine(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tiny_folder)
    assert load(tmp_path / "link").name == "tiny"


def test_a_folder_in_place_of_a_file(tiny_folder: Path) -> None:
    (tiny_folder / WEIGHTS_FILE).unlink()
    (tiny_folder / WEIGHTS_FILE).mkdir()
    assert refusal(tiny_folder) == "<folder>/weights.safetensors: must be a regular file"


def test_arrays_without_a_place_in_the_samples(tiny_folder: Path) -> None:
    arrays = load_file(tiny_folder / SAMPLES_FILE)
    save_file({**arrays, "test.x": arrays["evaluation.x"]}, tiny_folder / SAMPLES_FILE)
    assert refusal(tiny_folder) == (
        "<folder>/samples.safetensors: unknown array 'test.x'; allowed: calibration.<input>, "
        "evaluation.<input>, labels, reference.<output>"
    )


def test_checks_of_weights_and_samples_name_the_file(tiny_folder: Path) -> None:
    weights = load_file(tiny_folder / WEIGHTS_FILE)
    weights["fc.bias"][0] = np.nan
    save_file(weights, tiny_folder / WEIGHTS_FILE)
    assert load(tiny_folder).weights["fc.bias"].shape == (2,)  # values are read on request only
    assert refusal(tiny_folder, values=True) == (
        "<folder>/weights.safetensors: tensor 'fc.bias' has 1 of 2 values that are NaN or "
        "infinite; train or export the model again"
    )


def test_nothing_invalid_is_written(tiny: Workload, tmp_path: Path) -> None:
    assert isinstance(tiny.samples, Samples)
    for wrong in (
        replace(tiny, weights={**tiny.weights, "fc.bias": np.full(2, np.nan, np.float32)}),
        replace(tiny, samples=replace(tiny.samples, labels=np.zeros(1, np.int64))),
        replace(tiny, ops=tiny.ops[::-1]),
        replace(tiny, weights={}),
    ):
        with pytest.raises(WorkloadError, match="workload 'tiny'"):
            save(wrong, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_a_folder_that_cannot_be_written(tiny: Workload, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/tiny: cannot be written .*; choose another"):
        save(tiny, tmp_path / "file" / "tiny")


def test_a_workload_is_found_by_its_name_as_well_as_by_its_folder(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_workload(tiny_folder).ops == load(tiny_folder).ops
    monkeypatch.setenv("PIMSIM_PATH", str(tiny_folder.parent))
    assert load_workload("tiny").ops == load(tiny_folder).ops
    assert load_workload("vit_digits").name == "vit_digits"
    with pytest.raises(NotFoundError, match="no workload is called 'tinny'; did you mean 'tiny'"):
        load_workload("tinny")


def test_a_copied_folder_loads_alike(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "copy")
    assert load(tmp_path / "copy").ops == load(tiny_folder).ops


def test_the_format_is_that_of_the_safetensors_library(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    types = ("float32", "int64", "uint8", "float16", "float64", "int8", "int16", "int32", "bool")
    arrays = {
        f"{name}.{count}": (generator.normal(size=(count, 3)) * 50).astype(name)
        for name in types
        for count in (1, 2)
    }
    arrays |= {
        "scalar": np.array(2.5, np.float32),
        "ünïcode": np.arange(3),
        "none": np.zeros((0, 4)),
    }
    write_tensors(tmp_path / "ours", arrays)
    found = load_file(tmp_path / "ours")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


def test_saving_holds_one_copied_tensor_at_a_time(tmp_path: Path) -> None:
    """Every array is in Fortran order, so that each must be copied before it is written."""
    arrays = {f"w{n}": np.zeros((256, 1024), np.float32, order="F") for n in range(8)}  # 1 MiB each
    tracemalloc.start()
    write_tensors(tmp_path / "file", arrays)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 2**20


def test_a_save_that_fails_half_way_leaves_the_old_files(
    tiny: Workload, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(tiny_folder)

    def fail(path: Path, arrays: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pimsim.workload.files.write_tensors", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        save(replace(tiny, name="other"), tiny_folder)
    assert contents(tiny_folder) == before
