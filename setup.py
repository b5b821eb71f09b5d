"""The packages: all of batchclf, and templates/, which setup.cfg's `find:` cannot take from outside of the package."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["batchclf", "batchclf.*"]), "batchclf.templates"])
