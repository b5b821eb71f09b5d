"""Gate rules and alarms as values, and how a measured value is judged by them."""
