"""Batch scoring and evaluation reports for Keras image classifiers."""

__version__ = "0.1.0"
