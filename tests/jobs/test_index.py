"""reports/index.html: every run of every job, whatever state its directory is in."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from run_cases import NAMES, drawn, missed_gate, write_run, write_runs

from batchclf.jobs.report.index import write_index


class Links(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found.append(dict(attrs)["href"])


def text_of(html):
    return " ".join(re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", html, flags=re.DOTALL).split())


@pytest.fixture
def reports(tmp_path):
    folder = tmp_path / "reports"
    write_runs(folder / "nightly", 3)
    write_runs(folder / "broken gate", 2, gates=[missed_gate()], status="gate failed")
    return folder


def test_all_jobs_with_their_runs_and_links(reports):
    page = write_index(reports).read_text()
    assert "1 of 2 jobs needs attention" in text_of(page)
    files = [link for link in Links(page).found if not link.startswith("#")]
    assert len([link for link in files if link.endswith("/report.html")]) == 2 * 5
    assert all((reports / unquote(link)).is_file() for link in files)
    assert "broken%20gate/20260301T023000Z/report.html" in files
    # Each run of the job says it, and the newest one in the overview, too.
    assert text_of(page).count("test accuracy 70.00% is below the minimum of 90%") == 2 + 1
    assert page.index("20260303T023000Z") < page.index("20260302T023000Z", page.index("20260303T023000Z"))


def test_broken_runs_and_failed_ones_are_shown_and_stop_nothing(reports):
    job = reports / "nightly"
    (job / "20260302T023000Z" / "run.json").write_text("not json")
    error = {"time": "2026-03-04T02:30:00+00:00", "level": "error", "message": "DataError: <b>no</b> folder"}
    (job / "failed-20260304T023000Z.log.jsonl").write_text(json.dumps(error) + "\n")
    page = write_index(reports).read_text()
    assert "Unreadable" in page
    assert "DataError: &lt;b&gt;no&lt;/b&gt; folder" in page
    assert "2 of 2 jobs need attention" in text_of(page)
    assert 'href="nightly/failed-20260304T023000Z.log.jsonl"' in page


def test_trends_are_drawn_for_jobs_and_not_for_score(reports):
    for number in range(3):
        rows = drawn(NAMES, 20, seed=number, skill=0.5, split="")
        write_run(reports / "score" / f"r{number}", rows, kind="directory", source="/srv/photos", job=None)
    page = write_index(reports).read_text()
    assert page.count('role="img"') == 4
    titles = re.findall(r"<title id=[^>]*>([^<]*)</title>", page)
    assert sorted(titles) == ["Accuracy", "Accuracy", "Overfitting gap, in points", "Overfitting gap, in points"]
    assert "/srv/photos" in page


def test_hostile_names(reports):
    name = 'a"b<script>alert(1)</script>#?%é\n'
    write_runs(reports / name.replace("/", ""), 1)
    page = write_index(reports).read_text()
    assert "<script>alert" not in page
    links = [link for link in Links(page).found if "alert" in link]
    assert links
    assert all((reports / unquote(link)).is_file() for link in links)


def test_an_empty_reports_folder(tmp_path):
    assert "No run yet" in write_index(tmp_path).read_text()


def test_many_runs_stay_readable_and_small(tmp_path):
    folder = tmp_path / "reports" / "nightly"
    ids = write_runs(folder, 1)
    record = json.loads((folder / ids[0] / "run.json").read_text())
    for number in range(419):
        copy = folder / f"2027{number:04d}T023000Z"
        copy.mkdir()
        started = f"2027-01-01T00:{number // 60:02d}:{number % 60:02d}+00:00"
        (copy / "run.json").write_text(json.dumps({**record, "run_id": copy.name, "started": started}))
        (copy / "metrics.json").write_bytes((folder / ids[0] / "metrics.json").read_bytes())
    page = write_index(tmp_path / "reports").read_text()
    assert "the newest 400 of 420 runs" in text_of(page)
    assert "386 earlier" in text_of(page)
    assert len(page) < 600_000
    assert page.count("<tr class=") == 400


def test_it_is_written_in_one_step(reports, monkeypatch):
    out = write_index(reports)
    before = out.read_bytes()
    monkeypatch.setattr("batchclf.report.pages.render.render_page", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_index(reports)
    assert out.read_bytes() == before
    assert not list(reports.glob(".*"))
