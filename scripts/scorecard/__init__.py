"""How well does the matching do on records whose people are known? Labelled streams through the real service path.

Read `sets` (what a set is), `generated` and `labelled` (where the sets come from), `placing` (the service path and the
naive cascade beside it), `measure` (what counts), `run` (the whole card).
"""
