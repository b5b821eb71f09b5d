"""Runs to notify of: a good one and one whose gate failed."""

import pytest
from notify_cases import FAILED, PASSED, published_run


@pytest.fixture
def good(tmp_path):
    return published_run(tmp_path / "nightly" / "r1", gates=[PASSED])


@pytest.fixture
def bad(tmp_path):
    return published_run(tmp_path / "nightly" / "r2", gates=[PASSED, FAILED], status="gate failed")
