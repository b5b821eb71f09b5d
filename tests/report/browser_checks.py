"""What every page must keep to in a browser."""

import pytest
from browser_cases import show


def check_in_browser(browser, file):
    """No complaint, no text beside the window, nothing for axe to find: on wide and narrow, light and dark screens."""
    axe_class = pytest.importorskip("selenium_axe_python", reason="selenium-axe-python is not installed").Axe
    for width, scheme in ((390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")):
        show(browser, width, scheme)
        browser.get_log("browser")
        browser.get(file.as_uri())
        assert browser.get_log("browser") == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        axe = axe_class(browser)
        axe.inject()
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
        rules = {"runOnly": {"type": "tag", "values": tags}, "resultTypes": ["violations"]}
        violations = axe.run(options=rules)["violations"]
        assert violations == [], f"{width} {scheme}: {axe.report(violations)}"
