"""Random inputs for all that strangers write: files, requests, headers, answers.

A target says what an input is and what must hold for each, whatever it is. Its inputs are bytes, so that one
that broke something can be kept as a file: `corpus/TARGET/`, which is tried first. `test_fuzz.py` is the
short run, within the tests; `python3 dev.py fuzz MINUTES` the long one.
"""
