import json

import pandas as pd
import pytest
from file_cases import make_tree

from batchclf.core.types import ImageRef
from batchclf.data.labels import label_rule
from batchclf.data.selection import Selection, select
from batchclf.data.sources.folder import Folder, discover
from batchclf.errors import DataError, ModelError
from batchclf.storage.csv_files.cells import safe_cell

CLASSES = ("cat", "dog", "T-shirt/top")


def test_auto_takes_the_first_folder_level_where_all_are_classes(tmp_path):
    make_tree(tmp_path, "cat/1.png", "cat/deep/2.png", "T-shirt_top/3.png", "loose.png", ".hidden/4.png")
    rule = label_rule(Folder(tmp_path), "auto", CLASSES)
    refs = {found.path: found.label for found in discover(tmp_path, rule) if isinstance(found, ImageRef)}
    assert refs == {"cat/1.png": "cat", "cat/deep/2.png": "cat", "T-shirt_top/3.png": "T-shirt/top", "loose.png": None}
    assert rule.sentence == "labels from the 2 class folders"


def test_auto_takes_no_label_where_one_folder_is_no_class(tmp_path):
    make_tree(tmp_path, "cat/1.png", "bird/2.png")
    rule = label_rule(Folder(tmp_path), "auto", CLASSES)
    assert {found.label for found in discover(tmp_path, rule)} == {None}
    assert rule.sentence == "no labels (the folder 'bird' is not a class of the model)"


def test_auto_without_folders(tmp_path):
    rule = label_rule(Folder(make_tree(tmp_path, "1.png")), "auto", CLASSES)
    assert rule.by_folder is None
    assert "there are no folders" in rule.sentence


def test_labels_none_looks_at_nothing(tmp_path):
    rule = label_rule(Folder(make_tree(tmp_path, "cat/1.png", "classes.json")), "none", CLASSES)
    assert rule.label("cat/1.png") is None
    assert "asked for none" in rule.sentence


def test_labels_by_folders_refuses_a_stranger_and_hints_at_the_nearest_class(tmp_path):
    make_tree(tmp_path, "cat/1.png", "Dog/2.png")
    with pytest.raises(ModelError) as caught:
        label_rule(Folder(tmp_path), "folders", CLASSES)
    assert "'Dog'" in caught.value.message
    assert "cat, dog, T-shirt/top" in caught.value.message
    assert "did you mean 'dog'?" in caught.value.hint
    assert str(tmp_path / "classes.json") in caught.value.hint


def test_a_stranger_that_is_near_to_none_gets_no_guess(tmp_path):
    with pytest.raises(ModelError) as caught:
        label_rule(Folder(make_tree(tmp_path, "zzzzzz/2.png")), "folders", CLASSES)
    assert "did you mean" not in caught.value.hint


def test_labels_by_folders_needs_folders(tmp_path):
    with pytest.raises(DataError, match="no class folders") as caught:
        label_rule(Folder(make_tree(tmp_path, "1.png", ".git/2.png")), "folders", CLASSES)
    assert "--labels none" in caught.value.hint


@pytest.mark.parametrize("mode", ["auto", "folders"])
def test_classes_json_maps_folders_to_classes(tmp_path, mode):
    make_tree(tmp_path, "katze/1.png", "kater/2.png", "dog/3.png")
    mapping = {"katze": "cat", "kater": "cat", "absent": "dog"}
    (tmp_path / "classes.json").write_text(json.dumps({"format": 1, "classes": mapping}))
    rule = label_rule(Folder(tmp_path), mode, CLASSES)
    labels = [found.label for found in discover(tmp_path, rule) if isinstance(found, ImageRef)]
    assert labels == ["dog", "cat", "cat"]


def test_classes_json_goes_before_the_folders_own_name(tmp_path):
    make_tree(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "classes.json").write_text(json.dumps({"format": 1, "classes": {"cat": "dog", "dog": "wolf"}}))
    assert label_rule(Folder(tmp_path), "auto", CLASSES).sentence.startswith("no labels (the folder 'dog'")
    assert label_rule(Folder(tmp_path), "auto", ("cat", "dog", "wolf")).label("dog/2.png") == "wolf"


def test_a_damaged_classes_json_is_told(tmp_path):
    make_tree(tmp_path, "cat/1.png", "classes.json")
    with pytest.raises(DataError, match=r"classes\.json is not a class map"):
        label_rule(Folder(tmp_path), "auto", CLASSES)


def test_a_folder_behind_a_link_is_no_class_folder(tmp_path):
    make_tree(tmp_path, "root/cat/1.png", "elsewhere/2.png")
    (tmp_path / "root" / "bird").symlink_to("../elsewhere")
    assert label_rule(Folder(tmp_path / "root"), "folders", CLASSES).by_folder == {"cat": "cat"}


def test_ignored_folders_are_not_looked_at_for_labels(tmp_path):
    make_tree(tmp_path, "cat/1.png", "thumbs/2.png", "raw/3.png")
    (tmp_path / ".batchclfignore").write_text("thumbs/\n/raw\n")
    assert label_rule(Folder(tmp_path), "folders", CLASSES).by_folder == {"cat": "cat"}


def test_a_linked_class_folder_gives_labels_where_links_are_followed(tmp_path):
    make_tree(tmp_path, "root/cat/1.png", "elsewhere/2.png")
    (tmp_path / "root" / "dog").symlink_to("../elsewhere")
    (tmp_path / "root" / "circle").symlink_to("circle")
    rule = label_rule(Folder(tmp_path / "root"), "folders", CLASSES, follow_symlinks=True)
    found = discover(tmp_path / "root", rule, follow_symlinks=True)
    refs = {each.path: each.label for each in found if isinstance(each, ImageRef)}
    assert refs == {"cat/1.png": "cat", "dog/2.png": "dog"}
    assert rule.by_folder == {"cat": "cat", "dog": "dog"}


# Labels from a CSV


def _table(root, text):
    path = root / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return label_rule(Folder(root), path, CLASSES)


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.png,cat\nb/c.png,T-shirt/top\n",
        "\ufeffpath,label\r\na.png,cat\r\nb/c.png,T-shirt/top\r\n",
        "path;label\r\na.png;cat\r\nb/c.png;T-shirt/top\r\n",
        "path\tlabel\na.png\tcat\nb/c.png\tT-shirt/top\n",
        'label,"who, when",path\ncat,"x,y",a.png\n\n,,\nT-shirt/top,"a\nb",./b/c.png\ncat,,a.png\n',
        " path , label \na.png,cat\nb/c.png,T-shirt/top\nd.png,\n",
    ],
)
def test_csvs_as_people_and_spreadsheets_write_them(tmp_path, text):
    rule = _table(tmp_path, text)
    assert rule.table.by_path == {"a.png": "cat", "b/c.png": "T-shirt/top"}
    assert rule.label("a.png") == "cat"
    assert rule.label("d.png") is None
    assert rule.sentence == "labels of 2 files from labels.csv"


def test_the_guard_against_spreadsheets_is_undone(tmp_path):
    names = ["=1.png", "+1.png", "-1.png", "@1.png", "\t1.png", "\r1.png", "'1.png", "''1.png", "'=1.png", "plain.png"]
    frame = pd.DataFrame({"path": [safe_cell(name) for name in names], "label": "cat"})
    frame.to_csv(tmp_path / "guarded.csv", index=False, lineterminator="\r\n")
    rule = label_rule(Folder(tmp_path), tmp_path / "guarded.csv", CLASSES)
    assert set(rule.table.by_path) == set(names)


def test_a_quote_that_guards_nothing_is_part_of_the_name(tmp_path):
    assert set(_table(tmp_path, "path,label\n'quoted'.png,cat\n").table.by_path) == {"'quoted'.png"}


def test_a_class_may_be_guarded_too(tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\na.png,'-5\n")
    assert label_rule(Folder(tmp_path), tmp_path / "labels.csv", ("-5", "5")).label("a.png") == "-5"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no header"),
        ("a.png,cat\n", "has no header that names the columns path and label once each; it reads: 'a.png,cat'"),
        ("path,klass\na.png,cat\n", "it reads: 'path,klass'"),
        ("path,label,path\na.png,cat,b.png\n", "once each"),
        ("path,label\na.png,cat\nb.png\n", "line 3 of {file} has 1 of the 2 cells"),
        ("path,label\na.png,cat\n,dog\n", "line 3 of {file} has no path"),
        ('path,label\na.png,cat\n"b.png,cat\n', "line 3 of {file} is not CSV"),
        ("path,label\na.png,cat\nb.png,dog\n./a.png,dog\n", "for a.png: 'cat' in line 2 and 'dog' in line 4"),
        ("path,label\na.png,cat\na.png,\n", "for a.png: 'cat' in line 2 and '' in line 3"),
        (b"path,label\na.png,cat\ncaf\xe9.png,cat\n", "line 3 is not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_csv_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(DataError) as caught:
        _table(tmp_path, text)
    assert told.format(file=tmp_path / "labels.csv") in caught.value.message
    assert str(tmp_path / "labels.csv") in caught.value.message


def test_a_label_that_is_no_class_is_told_with_the_nearest(tmp_path):
    with pytest.raises(ModelError) as caught:
        _table(tmp_path, 'note,path,label\n"two\nlines",a.png,cat\nx,b.png,T-shirt\n')
    assert f"'T-shirt' in line 4 of {tmp_path / 'labels.csv'}" in caught.value.message
    assert "cat, dog, T-shirt/top" in caught.value.message
    assert "did you mean 'T-shirt/top'?" in caught.value.hint


def test_a_csv_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        label_rule(Folder(tmp_path), tmp_path, CLASSES)


def test_rows_without_a_file_are_counted(tmp_path):
    make_tree(tmp_path, "a.png", "b.png", "c.txt", ".d.png")
    rule = _table(
        tmp_path, "path,label\nx.jpg,cat\na.png,cat\nb.png,dog\n../y.png,dog\nc.txt,cat\n.d.png,cat\nz.png,\n"
    )
    labels = {found.path: found.label for found in select(Folder(tmp_path), rule) if isinstance(found, ImageRef)}
    assert labels == {"a.png": "cat", "b.png": "dog"}
    assert rule.table.unmatched() == "2 rows of labels.csv name no file that was found, the first: x.jpg"
    assert len(list(select(Folder(tmp_path), rule, Selection(files=("x.jpg",))))) == 1
    assert rule.table.unmatched().startswith("5 rows")
    make_tree(tmp_path, "x.jpg")
    list(select(Folder(tmp_path), rule, Selection(sample=1)))
    assert rule.table.unmatched() == "1 row of labels.csv names no file that was found: ../y.png"


def test_the_fingerprint_changes_with_the_labels(tmp_path):
    make_tree(tmp_path, "cat/1.png", "dog/2.png")
    texts = ["path,label\n", "path,label\na.png,cat\n", "path,label\na.png,dog\n", "path,label\nb.png,cat\n"]
    seen = [_table(tmp_path, text).fingerprint() for text in texts]
    assert _table(tmp_path, "label;path\ncat;a.png\n").fingerprint() == seen[1]
    seen += [label_rule(Folder(tmp_path), mode, CLASSES).fingerprint() for mode in ("auto", "none")]
    assert label_rule(Folder(tmp_path), "folders", CLASSES).fingerprint() == seen[-2]
    (tmp_path / "classes.json").write_text(json.dumps({"format": 1, "classes": {"cat": "dog"}}))
    seen.append(label_rule(Folder(tmp_path), "auto", CLASSES).fingerprint())
    assert len(set(seen)) == len(seen)
