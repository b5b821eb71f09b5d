"""Predictions in the tables that other tools write, from the writers of these tools' own libraries."""

import csv
import gzip
import io
import json

import numpy as np
import pandas as pd

NAMES = ["cat", "dog", "eel"]


def drawn(n=60, seed=3):
    """Paths with the true class as their folder, true and predicted classes, probabilities (n, 3) of float64."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, n)
    logits = random.normal(size=(n, 3)) + 2 * np.eye(3)[labels]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    paths = [f"{NAMES[label]}/{number:03}.png" for number, label in enumerate(labels)]
    return paths, [NAMES[label] for label in labels], [NAMES[best] for best in shares.argmax(axis=1)], shares


PATHS, TRUE, PREDICTED, SHARES = drawn()
ORDER = np.argsort(-SHARES, axis=1)
RANKED = np.take_along_axis(SHARES, ORDER, axis=1)
FRAME = pd.DataFrame({"file": PATHS, "y_true": TRUE, "y_pred": PREDICTED})
WITH_SHARES = FRAME.drop(columns="y_pred").join(pd.DataFrame(SHARES, columns=[f"proba_{name}" for name in NAMES]))
TIMM = pd.DataFrame({"filename": PATHS, "label": list(np.array(NAMES)[ORDER]), "prob": list(RANKED.astype(np.float32))})


def _german(folder):
    frame = FRAME.assign(score=SHARES.max(axis=1))
    frame.to_csv(folder / "german.csv.gz", sep=";", decimal=",", index=False)
    return "german.csv.gz", []


def _excel(folder):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t").writerows([FRAME.columns, *FRAME.itertuples(index=False)])
    (folder / "excel.txt").write_bytes(text.getvalue().encode("utf-16"))
    return "excel.txt", []


def _keras(folder):
    shares = pd.DataFrame(SHARES.astype(np.float32), columns=NAMES)
    pd.concat([FRAME[["file"]], FRAME["y_true"].rename("true_class"), shares], axis=1).to_csv(folder / "keras.csv")
    return "keras.csv", []


def _flow_from_directory(folder):
    pd.DataFrame({"Filename": PATHS, "Predictions": PREDICTED}).to_csv(folder / "results.csv", index=False)
    return "results.csv", ["--labels", "folders"]


def _fastai(folder):
    frame = pd.DataFrame({"id": PATHS, "target": TRUE, "pred": PREDICTED, "conf": SHARES.max(axis=1)})
    frame.to_csv(folder / "fastai.csv", index=False)
    return "fastai.csv", []


def _pipeline(folder):
    answers = {
        path: [{"label": NAMES[at], "score": share} for at, share in zip(order, shares, strict=True)]
        for path, order, shares in zip(PATHS, ORDER.tolist(), RANKED.tolist(), strict=True)
    }
    (folder / "answers.json").write_text(json.dumps(answers))
    return "answers.json", ["--labels", "folders"]


def _timm_csv(folder):
    TIMM.to_csv(folder / "timm.csv", index=False)
    return "timm.csv", ["--labels", "folders"]


def _timm_separate(folder):
    columns = {f"label_{at}": np.array(NAMES)[ORDER[:, at]] for at in range(3)}
    columns |= {f"prob_{at}": RANKED[:, at] for at in range(3)}
    pd.DataFrame({"filename": PATHS, **columns}).to_csv(folder / "separate.csv", index=False)
    return "separate.csv", ["--labels", "folders"]


def _timm_index(folder):
    TIMM.set_index("filename").to_json(folder / "index.json", orient="index", indent=4)
    return "index.json", ["--labels", "folders"]


def _timm_records(folder):
    TIMM.to_json(folder / "records.json", orient="records", lines=True)
    return "records.json", ["--labels", "folders"]


def _timm_split(folder):
    TIMM.to_json(folder / "split.json", orient="split", index=False)
    return "split.json", ["--labels", "folders"]


def _timm_parquet(folder):
    TIMM.set_index("filename").to_parquet(folder / "timm.parquet")
    return "timm.parquet", ["--labels", "folders"]


def _mlflow(folder):
    frame = FRAME.rename(columns={"y_true": "target", "y_pred": "outputs"})
    (folder / "eval_results_table.json").write_text(frame.to_json(orient="split", index=False))
    return "eval_results_table.json", []


def _lines(folder):
    with gzip.open(folder / "lines.jsonl.gz", "wt", encoding="utf-8") as handle:
        for path, true, predicted in zip(PATHS, TRUE, PREDICTED, strict=True):
            handle.write(json.dumps({"image": path, "label": true, "prediction": predicted}) + "\n")
    return "lines.jsonl.gz", []


def _duckdb(folder):
    import duckdb

    frame = WITH_SHARES  # noqa: F841  (named in the query)
    duckdb.sql("SELECT * FROM frame").write_parquet(str(folder / "duck.parquet"))
    return "duck.parquet", []


def _categories(folder):
    frame = FRAME.astype({"y_true": "category", "y_pred": "category"})
    frame.to_parquet(folder / "pandas.parquet", row_group_size=7)
    return "pandas.parquet", []


def _arrays(folder):
    numbers = np.array([NAMES.index(name) for name in TRUE])
    np.savez(folder / "arrays.npz", y_true=numbers, y_prob=SHARES.astype(np.float32), classes=NAMES)
    return "arrays.npz", []


def _two_columns(folder):
    FRAME[["y_true", "y_pred"]].to_csv(folder / "two.csv", index=False)
    return "two.csv", []


def _shares(folder):
    WITH_SHARES.to_csv(folder / "shares.tsv", sep="\t", index=False)
    return "shares.tsv", []


def _polars(folder, kind):
    import polars

    frame = polars.DataFrame({name: WITH_SHARES[name].tolist() for name in WITH_SHARES.columns})
    if kind == "csv":
        frame.write_csv(folder / "polars.csv", separator=";", decimal_comma=True)
    elif kind == "ndjson":
        frame.write_ndjson(folder / "polars.ndjson")
    else:
        labels = polars.Enum(NAMES)
        frame.with_columns(polars.col("y_true").cast(labels)).write_parquet(folder / "polars.parquet")
    return f"polars.{kind}", []


def _polars_csv(folder):
    return _polars(folder, "csv")


def _polars_ndjson(folder):
    return _polars(folder, "ndjson")


def _polars_parquet(folder):
    return _polars(folder, "parquet")


TABLES = {
    function.__name__.removeprefix("_"): function
    for function in (
        *(_german, _excel, _keras, _flow_from_directory, _fastai, _pipeline, _timm_csv, _timm_separate, _timm_index),
        *(_timm_records, _timm_split, _timm_parquet, _mlflow, _lines, _duckdb, _categories, _arrays, _two_columns),
        *(_shares, _polars_csv, _polars_ndjson, _polars_parquet),
    )
}
"""Each writes the same predictions into a folder, and gives the file's name and the options that it needs."""

WITH_ALL_SHARES = ("keras", "duckdb", "arrays", "shares", "polars_csv", "polars_ndjson", "polars_parquet")
WITH_RANKS = ("pipeline", "timm_csv", "timm_separate", "timm_index", "timm_records", "timm_split", "timm_parquet")
WITH_CONFIDENCE = (*WITH_ALL_SHARES, *WITH_RANKS, "german", "fastai")
