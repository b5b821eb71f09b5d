"""The schema of history.sqlite, as the steps that lead from one version to the next."""

APPLICATION_ID = 0x62636C68
"""What tells our file from any other SQLite file: "bclh" in ASCII, in the file's header."""

_TABLES = """
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
"""

_RENAMES = """
DROP VIEW IF EXISTS bad_nights;
DROP VIEW IF EXISTS gates_by_night;
DROP VIEW IF EXISTS classes_by_night;
DROP VIEW IF EXISTS gap_by_night;
DROP VIEW IF EXISTS accuracy_by_night;
DROP VIEW IF EXISTS metrics_by_night;
DROP VIEW IF EXISTS nights;
ALTER TABLE targets RENAME TO subsets;
ALTER TABLE runs RENAME COLUMN night TO run_date;
ALTER TABLE failures RENAME COLUMN night TO run_date;
ALTER TABLE gates RENAME COLUMN target TO subset;
UPDATE gates SET name = 'negative_flip_rate' || substr(name, length('lost_share') + 1)
    WHERE name = 'lost_share' OR name LIKE 'lost!_share[%' ESCAPE '!';
CREATE VIEW run_dates AS
    SELECT id AS run, job, CASE run_date WHEN '' THEN substr(started, 1, 10) ELSE run_date END AS run_date, folder,
        started, seconds, status, complete, main_split
    FROM runs;
CREATE VIEW metrics_by_run_date AS
    SELECT job, run_date, folder, status, split, name, value, low, high, baseline, images
    FROM run_dates JOIN metrics USING (run);
CREATE VIEW accuracy_by_run_date AS
    SELECT job, run_date, folder, status, split, value AS accuracy, low, high, baseline, images
    FROM metrics_by_run_date WHERE name = 'accuracy';
CREATE VIEW gap_by_run_date AS
    SELECT job, run_date, folder, status, value AS gap, low, high, images
    FROM metrics_by_run_date WHERE name = 'gap';
CREATE VIEW classes_by_run_date AS
    SELECT job, run_date, folder, status, split, class, support, predicted, correct, recall, recall_low, recall_high,
        precision, precision_low, precision_high, f1
    FROM run_dates JOIN class_metrics USING (run);
CREATE VIEW gates_by_run_date AS
    SELECT job, run_date, folder, status, kind, name, subset, class, against, value, bound, outcome, passed, sentence
    FROM run_dates JOIN gates USING (run);
CREATE VIEW bad_runs AS
    SELECT job, run_date, started, folder AS name, status AS what,
        coalesce((SELECT group_concat(sentence, '; ') FROM gates WHERE gates.run = run_dates.run AND NOT passed), '')
            AS message
    FROM run_dates WHERE status <> 'ok'
    UNION ALL
    SELECT job, CASE run_date WHEN '' THEN substr(started, 1, 10) ELSE run_date END, started, log, 'failed', message
    FROM failures;
"""
"""Today's names; core/renames.py has the pairs."""

_CAUSES = """
ALTER TABLE gates ADD COLUMN because TEXT NOT NULL DEFAULT '';
"""

MIGRATIONS = (_TABLES, "", _RENAMES, _CAUSES)
"""Step n leads from version n to n + 1; a step that was published is never changed again.

The second made views, of which the third leaves nothing.
"""

NEWEST = len(MIGRATIONS)


def statements(step: str) -> list[str]:
    """Cut a step into its statements: sqlite3's executescript would end the transaction."""
    return [each for each in step.split(";\n") if each.strip()]
