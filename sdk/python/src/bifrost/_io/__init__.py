"""The I/O: one sender for each face. What to send and what to make of answers is decided in `_core`."""
