"""recost.json comes back as it was written, or not at all."""

import json

import pytest

from pimsim.errors import InputError
from pimsim.report import basis_file

DOCUMENT = {"format_version": 1, "architecture": {"name": "µ", "node_nm": 28.0}, "rounds": 1}


def test_what_was_written_is_read_back(tmp_path):
    basis_file.write(DOCUMENT, tmp_path)
    assert basis_file.read(tmp_path) == DOCUMENT


def test_a_result_without_one_has_no_file(tmp_path):
    basis_file.write({}, tmp_path)
    assert not list(tmp_path.iterdir())
    assert basis_file.read(tmp_path) == {}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("28.0", "22.0"),
        lambda text: text.replace("sha256", "sha512"),
        lambda text: "[1, 2]",
        lambda text: "",
    ],
)
def test_a_cut_or_changed_file_is_refused(tmp_path, spoil):
    basis_file.write(DOCUMENT, tmp_path)
    path = tmp_path / basis_file.NAME
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match=r"recost\.json: (cut short or )?changed"):
        basis_file.read(tmp_path)


def test_line_breaks_do_not_matter_to_a_reader(tmp_path):
    basis_file.write(DOCUMENT, tmp_path)
    content = json.loads((tmp_path / basis_file.NAME).read_text(encoding="utf-8"))
    (tmp_path / basis_file.NAME).write_text(json.dumps(content), encoding="utf-8")
    assert basis_file.read(tmp_path) == DOCUMENT
