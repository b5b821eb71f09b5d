"""`evaluate` on somebody else's CSV: names that begin with a quote, and files of others beside it."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score

HEADER = "path,label,prediction,confidence\n"


def write_table(folder, rows, name="p.csv"):
    (folder / name).write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return pd.read_csv(folder / name)


def split_of(folder):
    return json.loads((folder / "reports/evaluate/latest/metrics.json").read_bytes())["splits"][""]


def test_a_name_that_begins_with_a_quote_is_another_one_than_without(cli, tmp_path):
    table = write_table(tmp_path, ["1.png,'a,a,0.9", "2.png,a,'a,0.8", "3.png,a,a,0.7"])
    assert cli("evaluate", "p.csv")[0] == 0
    accuracy = split_of(tmp_path)["accuracy"]["value"]
    assert accuracy == accuracy_score(table["label"], table["prediction"])


@pytest.mark.slow
def test_more_classes_than_a_matrix_can_hold_are_refused_with_the_way_out(cli, tmp_path):
    names = [f"class {number}" for number in range(25_001)]
    (tmp_path / "p.csv").write_text(HEADER + "".join(f"{n}.png,{n},{n},0.5\n" for n in names), encoding="utf-8")
    code, _, error = cli("evaluate", "p.csv", "--out", "evaluation")
    assert code == 1
    assert "there are 25,001 classes, and labelled images are evaluated for at most 25,000" in error
    assert not (tmp_path / "evaluation" / "metrics.json").exists()
    (tmp_path / "p.csv").write_text(HEADER + "".join(f"{n}.png,,{n},0.5\n" for n in names), encoding="utf-8")
    assert cli("evaluate", "p.csv", "--out", "evaluation")[0] == 0
    assert len(json.loads((tmp_path / "evaluation/metrics.json").read_bytes())["splits"][""]["predicted"]) == 25_001


def test_labels_of_more_classes_are_refused_before_anything_is_scored(cli, tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    names = [f"class {number}" for number in range(25_001)]
    (tmp_path / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    weights = np.random.default_rng(0).normal(size=(4, len(names))).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    source = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 2, 2, 1])
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(names)])
    graph = helper.make_graph(nodes, "wide", [source], [result], [numpy_helper.from_array(weights, "weights")])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), "wide.onnx")
    told = ("--classes", "classes.txt", "--scale", "0..1", "--output", "logits")
    assert cli("model", "import", "wide.onnx", *told, "--out", "wide")[0] == 0
    (tmp_path / "photos" / "class 0").mkdir(parents=True)
    Image.fromarray(np.full((2, 2), 9, np.uint8)).save(tmp_path / "photos" / "class 0" / "a.png")
    code, _, error = cli("score", "photos", "--model", "wide", "--labels", "folders", "--out", "run")
    assert code == 1
    assert "there are 25,001 classes, and labelled images are evaluated for at most 25,000" in error
    assert "score --labels none" in error
    assert [path.name for path in tmp_path.iterdir() if "run" in path.name] == []
    assert cli("score", "photos", "--model", "wide", "--labels", "none", "--out", "run")[0] == 0


def test_a_quote_in_a_probability_column(cli, tmp_path):
    header = "path,label,prediction,confidence,prob:'s-Gravenhage,prob:Delft\n"
    (tmp_path / "p.csv").write_text(header + "1.png,'s-Gravenhage,'s-Gravenhage,0.75,0.75,0.25\n", encoding="utf-8")
    assert cli("evaluate", "p.csv")[0] == 0
    assert list(split_of(tmp_path)["predicted"]) == [
        "'s-Gravenhage",
        "Delft",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", '{"accuracy": 0.9}'),
        ("metrics.json", '{"format": 2}'),
        ("metrics.json", "not JSON"),
        ("per_class.csv", "class,recall\ncat,1\n"),
        ("confusion.csv", "split,label,cat,dog\n"),
        ("confusion.csv", ""),
    ],
)
def test_files_of_others_are_never_replaced(cli, tmp_path, name, content):
    write_table(tmp_path, ["1.png,cat,cat,0.9", "2.png,dog,cat,0.8"])
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert cli("evaluate", "p.csv", "--out", "run")[0] == 0
    assert (tmp_path / name).read_text(encoding="utf-8") == content
    code, _, err = cli("evaluate", "run/predictions.csv", "--out", ".")
    assert code == 1
    assert name in err
    assert "--out" in err
    assert (tmp_path / name).read_text(encoding="utf-8") == content
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["p.csv", "run", name])
    assert cli("evaluate", "run/predictions.csv", "--out", "evaluation")[0] == 0


def test_its_own_files_are_replaced(cli, tmp_path):
    write_table(tmp_path, ["1.png,cat,dog,0.9", "2.png,dog,dog,0.8"])
    assert cli("evaluate", "p.csv", "--out", "one")[0] == 0
    assert cli("evaluate", "one/predictions.csv", "--out", ".")[0] == 0
    before = (tmp_path / "metrics.json").read_bytes()
    write_table(tmp_path, ["1.png,cat,cat,0.9", "2.png,dog,dog,0.8"])
    assert cli("evaluate", "p.csv", "--out", "two")[0] == 0
    assert cli("evaluate", "two/predictions.csv", "--out", ".")[0] == 0
    assert (tmp_path / "metrics.json").read_bytes() != before


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [(("cat", "dog"), ("0", "1")), (("3.0", "2.0"), ("3", "2")), (("Cat", "Dog"), ("cat", "dog"))],
)
def test_labels_that_are_never_predicted_are_an_error_and_a_map_mends_it(cli, tmp_path, labels, predictions):
    rows = [f"{n}.png,{labels[n % 2]},{predictions[n % 3 % 2]},0.9" for n in range(12)]
    table = write_table(tmp_path, rows)
    code, _, err = cli("evaluate", "p.csv")
    assert code == 1
    assert f"labels: {', '.join(sorted(labels))}; predictions: {', '.join(sorted(predictions))}" in err
    assert "--label-map FILE" in err
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]
    pairs = dict(zip(labels, predictions, strict=True))
    (tmp_path / "map.csv").write_text("label,class\n" + "".join(f"{a},{b}\n" for a, b in pairs.items()))
    code, _, err = cli("evaluate", "p.csv", "--label-map", "map.csv")
    assert (code, err) == (0, "")
    split = split_of(tmp_path)
    meant = table["label"].astype(str).map(pairs)
    assert split["accuracy"]["value"] == accuracy_score(meant, table["prediction"].astype(str))
    assert sorted(split["predicted"]) == sorted(predictions)


def test_names_that_look_alike_are_a_warning_and_a_map_joins_them(cli, tmp_path):
    write_table(tmp_path, ["1.png,cat,Cat,0.9", "2.png,dog,dog,0.8", "3.png,Cat,cat,0.7", "4.png,junk,dog,0.7"])
    code, out, err = cli("evaluate", "p.csv", "--quiet")
    assert (code, out) == (0, "")
    assert "warning: class names that look alike: 'Cat' and 'cat'; if they mean one class" in err
    (tmp_path / "map.csv").write_text("label;class\nCat;cat\njunk;ignore\n")
    code, _, err = cli("evaluate", "p.csv", "--label-map", "map.csv", "--quiet")
    assert (code, err) == (0, "")
    split = split_of(tmp_path)
    assert (split["labelled"], split["accuracy"]["value"], sorted(split["predicted"])) == (3, 1.0, ["cat", "dog"])


def test_one_wrong_image_of_known_classes_is_no_error(cli, tmp_path):
    header = "path,label,prediction,confidence,prob:cat,prob:dog\n"
    (tmp_path / "p.csv").write_text(header + "1.png,cat,dog,0.75,0.25,0.75\n", encoding="utf-8")
    assert cli("evaluate", "p.csv")[0] == 0
    (tmp_path / "map.csv").write_text("label,class\ncat,wolf\n")
    code, _, err = cli("evaluate", "p.csv", "--label-map", "map.csv")
    assert code == 1
    assert "the class 'wolf' in line 2 of map.csv" in err
