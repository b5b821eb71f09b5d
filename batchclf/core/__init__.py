"""Value types and arithmetic; no I/O. Imports only the standard library and numpy."""
