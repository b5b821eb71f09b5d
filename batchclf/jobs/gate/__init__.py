"""Gate rules and alarms, checked against what a run has measured."""
