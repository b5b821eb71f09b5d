"""Files for other programs: JUnit XML, Prometheus."""
