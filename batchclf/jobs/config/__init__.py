"""The job file: its keys as types, reading and checking it, the settings that come of it."""
