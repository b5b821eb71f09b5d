"""The report's Jinja2 pages, macros and CSS, installed as the package batchclf.templates."""
