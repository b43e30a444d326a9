"""The command line: `bifrost run`, `bifrost doctor`, `bifrost connect`."""
