"""The sections of a report as plain data, a file each; nothing is drawn here."""
