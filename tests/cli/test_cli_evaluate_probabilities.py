"""`evaluate` on tables whose probabilities contradict themselves, and on tables that only look so."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from batchclf.core.types import BatchScores, ImageRef
from batchclf.storage.predictions.write import PredictionFiles

HEADER = "path,label,prediction,confidence,prob:a,prob:b,prob:c\n"
GOOD = "1.png,a,a,0.70,0.70,0.20,0.10\n"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2.png,a,a,0.5,0.5,0.2,0.2", "sum to 0.9"),
        ("2.png,a,a,0.9,0.9,0.2,0.1", "sum to 1.2"),
        ("2.png,a,a,1,1,1,0", "sum to 2"),
        ("2.png,a,a,1.0,1.0,0.1,-0.1", "prob:c is '-0.1'"),
        ("2.png,a,a,0.7,inf,0.2,0.1", "prob:a is 'inf'"),
        ("2.png,a,a,0.7,infinity,0.2,0.1", "prob:a is 'infinity'"),
        ("2.png,a,a,0.7,nan,0.2,0.1", "prob:a is 'nan'"),
        ("2.png,a,a,0.7,,0.2,0.1", "prob:a is ''"),
        ("2.png,a,a,0.7,0.7,0.2,0_1", "prob:c is '0_1'"),
        ("2.png,a,a,0.7,0.7,0.2,٠.١", "prob:c is '٠.١'"),
        ("2.png,a,a,0.72,0.7,0.2,0.1", "confidence is '0.72'"),
        ("2.png,a,b,0.2,0.7,0.2,0.1", "prediction is 'b'"),
    ],
)
def test_a_row_that_contradicts_itself_is_an_error_with_its_line(cli, tmp_path, row, said):
    (tmp_path / "p.csv").write_text(HEADER + GOOD + row + "\n", encoding="utf-8")
    code, _, err = cli("evaluate", "p.csv")
    assert code == 1
    assert "line 3" in err
    assert said in err
    assert not list(tmp_path.glob("reports/evaluate/2*"))


@pytest.mark.parametrize(
    "row", ["a,b,0.4,0.4,0.4,0.2", "a,a,0.7,0.704,0.196,0.1", "a,a,7e-1,0.7,2.0E-1,.1", "c,c,1,0,0,1"]
)
def test_ties_and_fewer_digits_pass(cli, tmp_path, row):
    (tmp_path / "p.csv").write_text(HEADER + f"1.png,{row}\n", encoding="utf-8")
    assert cli("evaluate", "p.csv")[0] == 0


@pytest.mark.parametrize("spelling", ["%.2f", "%.2g", "%.3f", "%.17g"])
def test_a_rounded_table_of_pandas_passes(cli, tmp_path, spelling):
    values = np.random.default_rng(1).dirichlet(np.ones(40), 300)
    names = [f"c{number}" for number in range(40)]
    table = pd.DataFrame(values, columns=[f"prob:{name}" for name in names])
    best = [names[number] for number in values.argmax(axis=1)]
    table = table.assign(
        path=[f"{n}.png" for n in range(300)], label=best, prediction=best, confidence=values.max(axis=1)
    )
    table.to_csv(tmp_path / "p.csv", index=False, float_format=spelling)
    assert cli("evaluate", "p.csv")[0] == 0


@pytest.mark.parametrize("classes", [2, 1000])
@pytest.mark.parametrize("bits", [32, 16])
def test_what_batchclf_writes_passes(cli, tmp_path, classes, bits):
    """Softmax in float32, and cut to bfloat16, whose rows sum to 1 only within its rounding."""
    logits = np.random.default_rng(2).normal(0, 4, (300, classes)).astype(np.float32)
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    values /= values.sum(axis=1, keepdims=True)
    if bits == 16:
        values = ((values.view(np.uint32) + 0x8000) & 0xFFFF0000).view(np.float32)
    names = tuple(f"c{number}" for number in range(classes))
    refs = [ImageRef(f"{n}.png", names[n % classes]) for n in range(300)]
    with PredictionFiles(tmp_path, names, topk=2, probabilities=True) as files:
        files.write(BatchScores(refs, values), "test")
    assert cli("evaluate", "predictions.csv")[0] == 0


def test_renormalize_divides_each_row_by_its_sum(cli, tmp_path):
    rows = ["1.png,a,a,70,70,20,10", "2.png,b,a,0.5,0.5,0.2,0.2", "3.png,c,c,0.5,1,1,2"]
    (tmp_path / "p.csv").write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    assert cli("evaluate", "p.csv", "--renormalize")[0] == 0
    values = pd.read_csv(tmp_path / "p.csv")[["prob:a", "prob:b", "prob:c"]].to_numpy(float)
    expected = log_loss(["a", "b", "c"], values / values.sum(axis=1, keepdims=True))
    metrics = json.loads((tmp_path / "reports/evaluate/latest/metrics.json").read_bytes())
    found = metrics["splits"][""]["log_loss"]["value"]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("row", ["1.png,a,a,0.9,0.9,0.2,-0.1", "1.png,a,a,0,0,0,0", "1.png,a,a,0.9,inf,0,0"])
def test_renormalize_mends_nothing_else(cli, tmp_path, row):
    (tmp_path / "p.csv").write_text(HEADER + row + "\n", encoding="utf-8")
    code, _, err = cli("evaluate", "p.csv", "--renormalize")
    assert code == 1
    assert "line 2" in err


def test_renormalize_needs_probabilities(cli, tmp_path):
    (tmp_path / "p.csv").write_text("path,label,prediction,confidence\n1.png,a,a,0.9\n", encoding="utf-8")
    code, _, err = cli("evaluate", "p.csv", "--renormalize")
    assert code == 1
    assert "--renormalize" in err
