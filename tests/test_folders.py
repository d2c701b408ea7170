"""A folder that is written is whole or not there, and what it replaces is kept until then."""

import pytest

from alicorn.errors import ConfigError
from alicorn.folders import MODEL_FOLDER, check_place, replacing, whole_file, whole_folder


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
    check_place(out, MODEL_FOLDER)
    out.mkdir()
    check_place(out, MODEL_FOLDER)
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="is not empty: choose another folder, or give --overwrite"):
        check_place(out, MODEL_FOLDER)
    with pytest.raises(ConfigError, match=r"has no model\.json or checkpoint or search: it holds something else"):
        check_place(out, MODEL_FOLDER, overwrite=True)
    (out / "model.json").write_text("")
    check_place(out, MODEL_FOLDER, overwrite=True)
    with pytest.raises(ConfigError, match="is a file"):
        check_place(out / "thesis.txt", MODEL_FOLDER)


def written(out, content, *, overwrite=True, resume=False, fails=False):
    with replacing(out, MODEL_FOLDER, overwrite=overwrite, resume=resume) as place:
        place.mkdir(exist_ok=True)
        (place / content).write_text(content)
        if fails:
            raise InterruptedError
        (place / "model.json").write_text(content)


def test_what_is_replaced_stays_until_the_new_is_complete(tmp_path):
    out = tmp_path / "model"
    written(out, "old", overwrite=False)
    with pytest.raises(InterruptedError):
        written(out, "half", fails=True)
    assert (out / "model.json").read_text() == "old"
    written(out, "new")
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_run_that_replaces_a_folder_can_be_resumed(tmp_path):
    out = tmp_path / "model"
    written(out, "old", overwrite=False)
    with pytest.raises(InterruptedError):
        written(out, "half", fails=True)
    written(out, "rest", resume=True)
    assert sorted(path.name for path in out.iterdir()) == ["half", "model.json", "rest"]


def test_a_file_is_replaced_where_that_is_asked_for_and_when_the_new_one_is_complete(tmp_path):
    out = tmp_path / "related.parquet"
    with whole_file(out) as place:
        place.write_text("old")
        assert place.suffix == ".parquet"
    with pytest.raises(ConfigError, match="exists: choose another file, or give --overwrite"), whole_file(out):
        pass
    with pytest.raises(TypeError), whole_file(out, overwrite=True) as place:
        place.write_text(7)
    assert out.read_text() == "old"
    with whole_file(out, overwrite=True) as place:
        place.write_text("new")
    assert (out.read_text(), list(tmp_path.iterdir())) == ("new", [out])
    with pytest.raises(ConfigError, match="is a folder: give a file"), whole_file(tmp_path, overwrite=True):
        pass
