"""Nights to tell: a good one and one whose gate failed."""

import pytest
from notify_cases import FAILED, PASSED, night


@pytest.fixture
def good(tmp_path):
    return night(tmp_path / "nightly" / "r1", gates=[PASSED])


@pytest.fixture
def bad(tmp_path):
    return night(tmp_path / "nightly" / "r2", gates=[PASSED, FAILED], status="gate failed")
