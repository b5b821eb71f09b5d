"""The HTML report: view (pure data), charts (matplotlib), render (Jinja2)."""
