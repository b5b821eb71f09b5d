"""Lets `python -m batchclf` work."""

from batchclf.cli.main import entry

if __name__ == "__main__":
    entry()
