"""The gallery in reports/ is whole, small, indexed, and says nothing of whoever made it.

That its pages can still be made is for ``scripts/make_gallery.py --check``, which .ci/run calls.
"""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "reports"
LARGEST_BYTES = 1_200_000


@pytest.fixture(scope="module")
def gallery():
    spec = spec_from_file_location("make_gallery", ROOT / "scripts" / "make_gallery.py")
    module = module_from_spec(spec)
    sys.modules["make_gallery"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_gallery"]


def test_the_index_names_every_page_and_notebook(gallery):
    """If this fails: python scripts/make_gallery.py --index."""
    assert (REPORTS / "README.md").read_text(encoding="utf-8") == gallery.index()
    for name in re.findall(r"\]\(([^)]+)\)", gallery.index()):
        assert (REPORTS / name).is_file()


def test_there_is_no_page_beside_the_gallery(gallery):
    assert {path.stem for path in REPORTS.glob("*.html")} == {page.name for page in gallery.PAGES}


def test_pages_are_small_and_give_no_folder_away():
    for path in REPORTS.glob("*.html"):
        assert path.stat().st_size < LARGEST_BYTES
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w.])/(tmp|home|root|work|Users)/", text)


def test_every_page_is_of_something_shipped(gallery):
    for page in gallery.PAGES:
        assert bool(page.runs) != bool(page.sweep)
        if page.sweep:
            assert (ROOT / "arch_configs" / "sweeps" / f"{page.sweep}.yaml").is_file()


def test_a_short_sweep_keeps_the_ends_of_every_axis(gallery):
    axes = {"a": [1, 2, 3, 4, 5, 6], "b": [7, 8], "c": {"options": {"x": {}}}}
    short = gallery._shorter({"name": "s", "samples": 128, "axes": axes})
    assert short["axes"] == {"a": [1, 3, 6], "b": [7, 8], "c": {"options": {"x": {}}}}
    assert (short["name"], short["samples"], short["chips"]) == ("s", 2, 1)


def test_a_page_that_lost_a_figure_is_told(gallery, tmp_path):
    whole, less = tmp_path / "whole.html", tmp_path / "less.html"
    whole.write_text('<section id="a"><figure id="figure-b"></figure></section>')
    less.write_text('<section id="a"></section>')
    gallery.compare(whole, whole)
    with pytest.raises(gallery.GalleryError, match=r"lacks .*figure-b"):
        gallery.compare(less, whole)
    with pytest.raises(gallery.GalleryError, match="missing"):
        gallery.compare(less, tmp_path / "none.html")


def test_any_projection_of_a_front_counts_as_one(gallery):
    text = '<figure id="figure-front-a-b"><figure id="figure-front-c-d"><figure id="figure-e">'
    assert gallery.parts(text) == ["figure-front", "figure-e"]


def test_a_page_that_does_not_exist_is_a_usage_error(gallery, capsys):
    with pytest.raises(SystemExit) as ended:
        gallery.main(["no_such_page"])
    assert ended.value.code == 2
    assert "there are vit_digits-rap" in capsys.readouterr().err


def test_a_command_that_fails_ends_with_its_message(gallery, tmp_path):
    with pytest.raises(gallery.GalleryError, match="no_such_chip"):
        gallery._pimsim("run", "--arch", "no_such_chip", folder=tmp_path)
