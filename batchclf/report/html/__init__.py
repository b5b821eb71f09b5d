"""Sections to HTML; the only room that knows Jinja2."""
