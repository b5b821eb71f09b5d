"""What the tests of jobs share: someone who watches, a run with its links, and a reader of the report's tables."""

from contextlib import contextmanager
from html.parser import HTMLParser

from batchclf.jobs.run import job_run
from batchclf.storage.run.published import publish_latest


class Watching:
    """Watches a run: keeps what it says and how far its progress went."""

    def __init__(self):
        self.lines, self.warnings, self.details, self.steps = [], [], [], {}

    def say(self, line):
        self.lines.append(line)

    def warn(self, line):
        self.warnings.append(line)

    def detail(self, line):
        self.details.append(line)

    @contextmanager
    def progress(self, what, total):
        def advance(steps):
            self.steps[what] = self.steps.get(what, 0) + steps

        yield advance


def run_job(job, *arguments):
    """Run a job, and point the links to it as a scheduled run does."""
    record, run = job_run.run_job(job, *arguments)
    publish_latest(run, good=record.status == "ok")
    return record, run


class _Tables(HTMLParser):
    """Collects each table's rows; a cell is its text, and after `|` its small print or another view of it."""

    def __init__(self):
        super().__init__()
        self.tables = {}
        self._cell = self._rows = None

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self._rows = self.tables.setdefault(dict(attributes)["class"].split()[0], [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th") and self._rows is not None:
            self._cell = ""
        elif tag in ("small", "i", "u") and self._cell is not None:
            self._cell += "|"

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None:
            self._rows[-1].append("|".join(" ".join(part.split()) for part in self._cell.split("|")))
            self._cell = None
        elif tag == "table":
            self._rows = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data


def tables_of(page):
    """Read the tables of a page by their class: rows of cell texts, the header row first."""
    parser = _Tables()
    parser.feed(page)
    return parser.tables
