"""history.sqlite by hand: a file of version 1 or 2, and what stands in a file."""

import hashlib
import sqlite3
from contextlib import closing

from run_cases import NAMES, drawn, missed_gate, write_run

from batchclf.storage.history.database import writing
from batchclf.storage.history.rows import put_run
from batchclf.storage.run.details import digest_files, read_details

VERSION_1 = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    folder TEXT NOT NULL,
    run_id TEXT NOT NULL,
    job_name TEXT,
    night TEXT NOT NULL,
    started TEXT NOT NULL,
    seconds REAL NOT NULL,
    status TEXT NOT NULL,
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    main_split TEXT NOT NULL,
    overfitting TEXT,
    dataset TEXT,
    model TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    command TEXT NOT NULL,
    batchclf TEXT NOT NULL,
    UNIQUE (job, folder)
);
CREATE TABLE targets (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    split TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    labels TEXT NOT NULL,
    found INTEGER NOT NULL,
    scored INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    excluded INTEGER NOT NULL,
    seconds REAL NOT NULL,
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    content TEXT NOT NULL,
    folders TEXT NOT NULL,
    PRIMARY KEY (run, position)
) WITHOUT ROWID;
CREATE TABLE metrics (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    split TEXT NOT NULL,
    name TEXT NOT NULL,
    value REAL,
    low REAL,
    high REAL,
    baseline REAL,
    images INTEGER NOT NULL,
    PRIMARY KEY (run, split, name)
) WITHOUT ROWID;
CREATE TABLE class_metrics (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    split TEXT NOT NULL,
    class TEXT NOT NULL,
    support INTEGER,
    predicted INTEGER,
    correct INTEGER,
    recall REAL,
    recall_low REAL,
    recall_high REAL,
    precision REAL,
    precision_low REAL,
    precision_high REAL,
    f1 REAL,
    gap REAL,
    gap_low REAL,
    gap_high REAL,
    auc REAL,
    auc_low REAL,
    auc_high REAL,
    average_precision REAL,
    PRIMARY KEY (run, split, class)
) WITHOUT ROWID;
CREATE TABLE gates (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    class TEXT NOT NULL,
    against TEXT NOT NULL,
    value REAL,
    bound REAL,
    passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
    certain INTEGER NOT NULL CHECK (certain IN (0, 1)),
    missing INTEGER NOT NULL CHECK (missing IN (0, 1)),
    outcome TEXT NOT NULL,
    sentence TEXT NOT NULL,
    PRIMARY KEY (run, position)
) WITHOUT ROWID;
CREATE TABLE digests (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (run, file)
) WITHOUT ROWID;
CREATE TABLE failures (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    log TEXT NOT NULL,
    run_id TEXT NOT NULL,
    night TEXT NOT NULL,
    started TEXT NOT NULL,
    message TEXT NOT NULL,
    exit_code INTEGER,
    UNIQUE (job, log)
);
INSERT INTO runs VALUES (1, 'nightly', '20260102T030405Z', '20260102T030405Z', 'nightly', '2026-01-02',
    '2026-01-02T03:04:05+00:00', 2.5, 'gate failed', 1, 'test', NULL, 'digits', '/srv/m', 'abc', '["batchclf"]',
    '0.1.0');
INSERT INTO targets VALUES (1, 0, 'test', 'split', 'digits', 'labels', 9, 8, 1, 0, 0.5, 1, '', '{}');
INSERT INTO metrics VALUES (1, 'test', 'accuracy', 0.5, 0.25, 0.75, 0.1, 8);
INSERT INTO gates VALUES (1, 0, 'min', 'bound', 'test', '', '', 0.5, 0.9, 0, 1, 0, 'failed', 'it''s low');
INSERT INTO failures VALUES (1, 'nightly', 'failed-x.log.jsonl', 'x', '2026-01-03', '2026-01-03', 'no disk', 1);
"""

VERSION_2 = f"""{VERSION_1}
CREATE VIEW nights AS
    SELECT id AS run, job, CASE night WHEN '' THEN substr(started, 1, 10) ELSE night END AS night, folder, started,
        seconds, status, complete, main_split
    FROM runs;
CREATE VIEW metrics_by_night AS
    SELECT job, night, folder, status, split, name, value, low, high, baseline, images
    FROM nights JOIN metrics USING (run);
CREATE VIEW accuracy_by_night AS
    SELECT job, night, folder, status, split, value AS accuracy, low, high, baseline, images
    FROM metrics_by_night WHERE name = 'accuracy';
CREATE VIEW gap_by_night AS
    SELECT job, night, folder, status, value AS gap, low, high, images
    FROM metrics_by_night WHERE name = 'gap';
CREATE VIEW classes_by_night AS
    SELECT job, night, folder, status, split, class, support, predicted, correct, recall, recall_low, recall_high,
        precision, precision_low, precision_high, f1
    FROM nights JOIN class_metrics USING (run);
CREATE VIEW gates_by_night AS
    SELECT job, night, folder, status, kind, name, target, class, against, value, bound, outcome, passed, sentence
    FROM nights JOIN gates USING (run);
CREATE VIEW bad_nights AS
    SELECT job, night, started, folder AS name, status AS what,
        coalesce((SELECT group_concat(sentence, '; ') FROM gates WHERE gates.run = nights.run AND NOT passed), '')
            AS message
    FROM nights WHERE status <> 'ok'
    UNION ALL
    SELECT job, CASE night WHEN '' THEN substr(started, 1, 10) ELSE night END, started, log, 'failed', message
    FROM failures;
INSERT INTO gates VALUES (1, 1, 'lost_share[test] against last-good', 'change', 'test', '', 'r', 0.1, 0.0, 0, 1, 0,
    'failed', 'lost too much');
INSERT INTO gates VALUES (1, 2, 'lost_share', 'bound', '', '', '', 0.1, 0.2, 1, 1, 0, 'passed', 'lost little');
INSERT INTO gates VALUES (1, 3, 'lost_shares[test]', 'bound', 'test', '', '', 0.1, 0.2, 1, 1, 0, 'passed', 'another');
"""


def failed_run(tmp_path):
    """The folder of a run of test and train, with a gate that failed."""
    folder = tmp_path / "reports" / "nightly" / "20260301T023000Z"
    rows = drawn(NAMES, 60, seed=1, skill=0.8) + drawn(NAMES, 60, seed=2, skill=0.9, split="train")
    write_run(folder, rows, gates=[missed_gate()], status="gate failed", run_date="2026-03-01")
    return folder


def record(path, folder, job="nightly"):
    with writing(path) as connection:
        put_run(connection, job, read_details(folder), digest_files(folder))


def dump(path):
    """Everything in the file, as SQL text."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def query(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()
