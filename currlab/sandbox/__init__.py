"""Programs of a model, run apart: a subset of Python, in limited processes, within a fixed budget.

`pool` is the way in, from top to bottom: `pool` keeps processes of `worker`, which `confine`
themselves; `subset` says what a program may be made of, and `evaluate` walks it.
"""
