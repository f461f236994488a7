"""A name is found as a path, then in $PIMSIM_PATH, then among the bundled data."""

from pathlib import Path

import pytest

from pimsim.config import bundled
from pimsim.errors import InputError, NotFoundError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(path.parent.name for path in (ROOT / "workloads").glob("*/graph.json"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, without $PIMSIM_PATH and with nothing in the cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(bundled.PATH_VARIABLE, raising=False)
    monkeypatch.setenv(bundled.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path


def make(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("schema_version: 1\n")
    return root


def test_the_source_tree_serves_its_own_files() -> None:
    assert bundled.architecture_path("rap") == ROOT / "arch_configs" / "rap.yaml"
    assert bundled.workload_path("vit_digits") == ROOT / "workloads" / "vit_digits"


def test_every_file_directly_in_arch_configs_goes_by_its_name() -> None:
    names = {path.stem for path in (ROOT / "arch_configs").glob("*.yaml")}
    assert {"rap", "conventional"} <= names
    assert names <= set(bundled.bundled_architectures())


def test_a_wheel_serves_the_files_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "pimsim"
    make(
        package / "_bundled",
        "arch_configs/rap.yaml",
        "arch_configs/published/hermes/chip.yaml",
        "arch_configs/published/hermes/published.yaml",
        "arch_configs/sweeps/adc.yaml",
        "workloads/vit_digits/graph.json",
        "workloads/vit_digits/build.py",
        "workloads/scripts/trace.py",
    )
    make(tmp_path / "site-packages", "arch_configs/other.yaml", "workloads/other/graph.json")
    monkeypatch.setattr(bundled, "_PACKAGE", package)
    data = package / "_bundled"
    assert bundled.bundled_architectures() == {
        "hermes": data / "arch_configs/published/hermes/chip.yaml",
        "rap": data / "arch_configs/rap.yaml",
    }
    assert bundled.bundled_workloads() == {"vit_digits": data / "workloads/vit_digits"}


def test_an_installation_without_its_data_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "_PACKAGE", tmp_path / "pimsim")
    with pytest.raises(
        NotFoundError, match=r"bundled data of pimsim are missing from .*; reinstall"
    ):
        bundled.architecture_path("rap")


def test_folders_of_the_path_variable_are_searched_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(tmp_path / "first", "arch_configs/mine.yaml", "workloads/tiny/graph.json")
    second = make(tmp_path / "second", "mine.yaml", "rap.yaml", "direct/graph.json")
    monkeypatch.setenv(bundled.PATH_VARIABLE, f"{first}:{second}::")
    assert bundled.architecture_path("mine") == first / "arch_configs/mine.yaml"
    assert bundled.architecture_path("rap") == second / "rap.yaml"
    assert bundled.architecture_path("conventional").parent == ROOT / "arch_configs"
    assert bundled.workload_path("tiny") == first / "workloads/tiny"
    assert bundled.workload_path("direct") == second / "direct"
    assert {"tiny", "direct", "vit_digits"} <= set(bundled.known_workloads())
    assert "mine" not in bundled.bundled_architectures()


def test_the_cache_is_searched_after_the_path_variable_and_before_the_bundled_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ("workloads/built/graph.json", "workloads/vit_digits/graph.json")
    cache = make(tmp_path / "cache", *files, "arch_configs/rap.yaml")
    place = make(tmp_path / "place", "workloads/built/graph.json")
    assert bundled.workload_path("built") == cache / "workloads/built"
    assert bundled.workload_path("vit_digits") == cache / "workloads/vit_digits"
    assert bundled.known_workloads()["built"] == cache / "workloads/built"
    assert "built" not in bundled.bundled_workloads()
    assert bundled.architecture_path("rap").parent == ROOT / "arch_configs"  # workloads alone
    monkeypatch.setenv(bundled.PATH_VARIABLE, str(place))
    assert bundled.workload_path("built") == place / "workloads/built"


def test_the_cache_is_in_the_home_folder_unless_the_variable_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bundled.cache_folder() == tmp_path / "cache"
    monkeypatch.setenv(bundled.CACHE_VARIABLE, "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert bundled.cache_folder() == tmp_path / "home" / ".cache" / "pimsim"
    make(bundled.cache_folder(), "workloads/built/graph.json")
    assert bundled.workload_path("built") == bundled.cache_folder() / "workloads/built"


def test_a_path_beats_every_name(elsewhere: Path) -> None:
    make(elsewhere, "rap.yaml", "rap", "vit_digits/graph.json", "conventional/graph.json")
    assert bundled.architecture_path("rap") == Path("rap")
    assert bundled.architecture_path("rap.yaml") == Path("rap.yaml")
    assert bundled.architecture_path("./rap.yaml") == Path("rap.yaml")
    assert bundled.workload_path("vit_digits") == Path("vit_digits")
    assert bundled.architecture_path("conventional").parent == ROOT / "arch_configs"


def test_a_folder_without_a_graph_does_not_hide_a_workload(elsewhere: Path) -> None:
    (elsewhere / "vit_digits").mkdir()
    assert bundled.workload_path("vit_digits") == ROOT / "workloads" / "vit_digits"
    assert bundled.workload_path("./vit_digits") == Path("vit_digits")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rapp", "no architecture is called 'rapp'; did you mean 'rap'?"),
        ("chips/rapp.yaml", "chips/rapp.yaml: no such architecture; did you mean 'rap'?"),
        (
            "rap.yml",
            (
                "rap.yml: no such architecture; the architecture that comes by name is called just "
                "'rap'"
            ),
        ),
    ],
)
def test_an_unknown_architecture_names_the_nearest(name: str, message: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        bundled.architecture_path(name)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_digit", "no workload is called 'vit_digit'; did you mean 'vit_digits'?"),
        (
            "work/vit_digits/",
            (
                "work/vit_digits/: no such workload; the workload that comes by name is called "
                "just 'vit_digits'"
            ),
        ),
        (".", "no workload is called '.', and the folder '.' here has no graph.json"),
        (
            "x" * 300,
            f"no workload is called '{'x' * 300}'; known: {', '.join(SHIPPED)}",
        ),
    ],
)
def test_an_unknown_workload_names_the_nearest(name: str, message: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        bundled.workload_path(name)
    assert str(caught.value) == message


def test_what_lies_under_the_name_but_is_none_is_told(elsewhere: Path) -> None:
    make(elsewhere, "mine.yaml", "notes")
    with pytest.raises(NotFoundError) as caught:
        bundled.architecture_path("mine")
    assert str(caught.value) == (
        "no architecture is called 'mine'; did you mean the file 'mine.yaml'?"
    )
    with pytest.raises(NotFoundError) as caught:
        bundled.workload_path("notes")
    assert str(caught.value) == (
        "no workload is called 'notes', and 'notes' here is a file, not a folder"
    )


def test_one_place_must_not_have_a_name_twice(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(elsewhere / "mine", "chip_a.yaml", "arch_configs/chip_a.yaml")
    monkeypatch.setenv(bundled.PATH_VARIABLE, str(place))
    with pytest.raises(InputError, match=r"two architectures are called 'chip_a': .*; rename one"):
        bundled.architecture_path("rap")


def test_the_path_variable_must_name_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bundled.PATH_VARIABLE, "/no/such/place")
    with pytest.raises(NotFoundError, match=r"\$PIMSIM_PATH names '/no/such/place', which is not"):
        bundled.workload_path("vit_digits")
