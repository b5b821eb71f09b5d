"""Margins and further confidences that contradict their row, in whatever reads a table of predictions."""

import numpy as np
import pandas as pd
import pytest

from batchclf import read_predictions
from batchclf.errors import PredictionsError

NAMES = ["a", "b", "c"]
HEADER = "path,label,prediction,confidence,margin,top2_prediction,top2_confidence"
WITH = f"{HEADER},prob:a,prob:b,prob:c\n"
GOOD = "1.png,a,a,0.70,0.50,b,0.20"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2.png,a,a,0.7,0.4,b,0.2", "margin is '0.4'"),
        ("2.png,a,a,0.7,0.7,b,0.2", "margin is '0.7'"),
        ("2.png,a,a,0.7,0.5,b,0.3", "top2_confidence is '0.3'"),
        ("2.png,a,a,0.7,0.5,c,0.1", "top2_prediction is 'c' with probability 0.10, but 'b' has 0.20"),
        ("2.png,a,a,0.7,0.5,a,0.7", "name a class twice"),
    ],
)
def test_what_contradicts_the_probabilities_is_an_error_with_its_line(cli, tmp_path, row, said):
    path = tmp_path / "p.csv"
    path.write_text(f"{WITH}{GOOD},0.70,0.20,0.10\n{row},0.70,0.20,0.10\n")
    code, _, err = cli("evaluate", "p.csv")
    assert code == 1
    assert "p.csv, line 3: " in err
    assert said in err
    with pytest.raises(PredictionsError, match="line 3: "):
        read_predictions(path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2.png,a,a,0.7,0.4,b,0.2", "margin is '0.4', but the highest probability minus the second is 0.5"),
        ("2.png,a,a,0.4,0.1,b,0.5", "top2_confidence is '0.5', more than confidence, '0.4'"),
        ("2.png,a,a,0.7,0.1,b,0.6", "confidence and top2_confidence sum to 1.3"),
        ("2.png,a,a,0.7,0.2,,", "margin is '0.2', but the highest probability minus the second is from 0.39 to 0.7"),
        ("2.png,a,a,0.7,0.9,,", "margin is '0.9'"),
        ("2.png,a,a,0.4,0.1,a,0.3", "name a class twice"),
    ],
)
def test_what_contradicts_the_row_without_probabilities_is_an_error(cli, tmp_path, row, said):
    (tmp_path / "p.csv").write_text(f"{HEADER}\n{GOOD}\n{row}\n")
    code, _, err = cli("evaluate", "p.csv")
    assert code == 1
    assert "p.csv, line 3: " in err
    assert said in err


@pytest.mark.parametrize("spelling", ["%.2f", "%.3f", "%.2g", "%.6g", "%.17g"])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("probabilities", [True, False])
def test_tables_of_pandas_in_any_precision_pass(cli, tmp_path, spelling, kind, probabilities):
    values = np.random.default_rng(1).dirichlet(np.full(9, 0.4), 400).astype(kind)
    names = np.array([f"c{number}" for number in range(9)])
    order = np.argsort(-values.astype(float), axis=1, kind="stable")
    best = np.take_along_axis(values, order, axis=1)
    table = pd.DataFrame({"path": [f"{n:03d}.png" for n in range(400)], "label": names[order[:, 0]]})
    table["prediction"], table["confidence"], table["margin"] = names[order[:, 0]], best[:, 0], best[:, 0] - best[:, 1]
    for rank in (2, 3):
        table[f"top{rank}_prediction"] = names[order[:, rank - 1]]
        table[f"top{rank}_confidence"] = best[:, rank - 1]
    if probabilities:
        table[[f"prob:{name}" for name in names]] = values
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].astype(float)
    table.to_csv(tmp_path / "p.csv", index=False, float_format=spelling)
    code, _, err = cli("evaluate", "p.csv")
    assert (code, err) == (0, "")


def test_renormalize_takes_a_margin_of_either_kind_and_no_other(cli, tmp_path):
    header = "path,label,prediction,confidence,margin,prob:a,prob:b,prob:c\n"
    for margin, expected in (("50", 0), ("0.5", 0), ("30", 1)):
        (tmp_path / "p.csv").write_text(f"{header}1.png,a,a,70,{margin},70,20,10\n")
        code, _, err = cli("evaluate", "p.csv", "--renormalize")
        assert code == expected
        assert ("line 2: margin is '30'" in err) == bool(expected)


def test_a_comparison_refuses_what_evaluate_refuses(cli, tmp_path, digits, digits_bundle):
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for number in range(12):
        Image.fromarray(digits.test.images[number][..., 0]).save(tmp_path / "photos" / f"{number:02d}.png")
    for name in ("one", "two"):
        assert cli("score", "photos", "--model", digits_bundle, "--out", name)[0] == 0
    path = tmp_path / "two" / "predictions.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[4, "margin"] = "0.0123" if float(table.loc[4, "margin"]) > 0.5 else "0.99"
    table.to_csv(path, index=False, lineterminator="\r\n")
    for command in (("report", "one", "two"), ("report", "two"), ("evaluate", path)):
        code, _, err = cli(*command, "--out", "out")
        assert code == 1
        assert "predictions.csv, line 6: margin is " in err
    pytest.importorskip("duckdb")
    # A query shows the file as it is, so that one can look for such rows.
    assert cli("query", "two", "SELECT count(*) FROM predictions")[0] == 0
