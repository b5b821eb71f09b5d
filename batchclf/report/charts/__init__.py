"""Figures as SVG; the only room that draws."""
