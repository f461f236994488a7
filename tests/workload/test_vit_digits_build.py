"""The script that makes the demo workload, with one epoch instead of 150."""

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pimsim.workload.files import load
from pimsim.workload.graph import Workload
from pimsim.workload.reference import run

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("vit_digits_build")]

SCRIPT = Path(__file__).parents[2] / "workloads" / "vit_digits" / "build.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vit_digits_build", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vit_digits")
    script.main(["--epochs", "1", "--output", str(folder)])
    return folder


def restored(script: ModuleType, workload: Workload) -> Any:
    """The PyTorch model with the workload's weights: their names are the parameters' names."""
    import torch

    net = script.model().eval()
    net.load_state_dict({name: torch.from_numpy(w.copy()) for name, w in workload.weights.items()})
    return net


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_trace_equals_torch_on_all_held_out_images_at_any_batch(
    script: ModuleType, built: Path, batch: int
) -> None:
    import torch

    workload = load(built)
    assert workload.samples is not None
    images = workload.samples.evaluation["image"]
    with torch.no_grad():
        expected = restored(script, workload)(torch.from_numpy(images.copy())).numpy()
    parts: list[NDArray[Any]] = [
        run(workload, images[first : first + batch])["head"] for first in range(0, 360, batch)
    ]
    allowed = 1e-4 * np.abs(expected).max()
    assert np.abs(np.concatenate(parts) - expected).max() <= allowed
    assert np.abs(workload.samples.reference["head"] - expected).max() <= allowed


def test_only_the_trained_numbers_differ_from_the_bundled_workload(built: Path) -> None:
    bundled = load(SCRIPT.parent)
    workload = load(built)
    assert (built / "graph.json").read_bytes() == (SCRIPT.parent / "graph.json").read_bytes()
    assert workload.samples is not None
    assert bundled.samples is not None
    for role in ("calibration", "evaluation"):
        ours, theirs = getattr(workload.samples, role), getattr(bundled.samples, role)
        assert np.array_equal(ours["image"], theirs["image"])
    assert np.array_equal(workload.samples.labels, bundled.samples.labels)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_files(
    script: ModuleType, built: Path, tmp_path: Path
) -> None:
    script.main(["--epochs", "1", "--output", str(tmp_path)])
    for name in ("graph.json", "weights.safetensors", "samples.safetensors"):
        assert (tmp_path / name).read_bytes() == (built / name).read_bytes()


def test_held_out_images_are_stratified_and_never_train(script: ModuleType) -> None:
    data = script.digits(0)
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert np.bincount(data.test_labels).min() >= 34
    train = {image.tobytes() for image in data.train}
    assert not any(image.tobytes() in train for image in data.test)
    assert data.train.min() == 0.0
    assert data.train.max() == 1.0


def test_augmentation_shifts_each_image_by_at_most_one_pixel(script: ModuleType) -> None:
    images = np.zeros((200, 1, 8, 8), np.float32)
    images[:, 0, 3, 4] = 1.0
    moved = script.shifted(images, np.random.default_rng(0))
    _, _, rows, columns = np.nonzero(moved)
    places = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert len(rows) == 200
    assert places == {(3 + down, 4 + right) for down in (-1, 0, 1) for right in (-1, 0, 1)}


def test_the_learning_rate_warms_up_and_falls_to_zero(script: ModuleType) -> None:
    ratios = [script.learning_rate_ratio(step, warm_up_steps=10, steps=110) for step in range(111)]
    assert ratios[9] == ratios[10] == 1.0
    assert ratios[0] == pytest.approx(0.1)
    assert ratios[60] == pytest.approx(0.5)
    assert ratios[110] == pytest.approx(0.0)
    assert all(later <= earlier for earlier, later in itertools.pairwise(ratios[10:]))


def test_a_wrong_number_of_epochs_is_a_usage_error(script: ModuleType) -> None:
    with pytest.raises(SystemExit, match="2"):
        script.main(["--epochs", "0"])
