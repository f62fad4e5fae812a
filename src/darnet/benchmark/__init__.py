"""The benchmark: what is measured (suites), how (protocol), of whom (methods, peers), and how it is told (report)."""
