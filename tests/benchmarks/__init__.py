"""`make bench`: how fast Lodge is, each figure beside a peer's on the same machine in the same minute.

Nothing here passes or fails by its speed. `REGISTRY` (`__main__`) names the benches; each is a module with one
entry, `measure(tell)`, that starts what it needs and answers a `Figure`, or several of one setting; everything that it
started ends with it.
"""
