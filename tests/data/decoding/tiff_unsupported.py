"""The TIFFs of tiff_cases.py that are whole and yet not read: each by name, so that a change of it is noticed."""

UNSUPPORTED: frozenset[str] = frozenset()
