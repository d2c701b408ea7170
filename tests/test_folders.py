"""A folder that is written is whole or not there, and what it replaces is kept until then."""

import pytest

from alicorn.errors import ConfigError
from alicorn.folders import check_place, whole_folder


def test_a_failure_leaves_the_place_as_it_was(tmp_path):
    out = tmp_path / "model"
    out.mkdir()
    (out / "model.json").write_text("old")
    with pytest.raises(TypeError), whole_folder(out) as folder:
        (folder / "model.json").write_text(7)
    assert (out / "model.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_old_goes_when_the_new_is_complete(tmp_path):
    out = tmp_path / "deep" / "model"
    for content in ("old", "new"):
        with whole_folder(out) as folder:
            (folder / content).write_text(content)
    assert [path.name for path in out.iterdir()] == ["new"]
    assert [path.name for path in out.parent.iterdir()] == ["model"]


def test_only_a_folder_of_the_same_kind_is_overwritten(tmp_path):
    out = tmp_path / "model"
    check_place(out, "model.json")
    out.mkdir()
    check_place(out, "model.json")
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="is not empty: choose another folder, or give --overwrite"):
        check_place(out, "model.json")
    with pytest.raises(ConfigError, match=r"has no model\.json, so it holds something else"):
        check_place(out, "model.json", overwrite=True)
    (out / "model.json").write_text("")
    check_place(out, "model.json", overwrite=True)
    with pytest.raises(ConfigError, match="is a file"):
        check_place(out / "thesis.txt", "model.json")
