"""`python -m lodge_local.program access_service serve` is `python -m access_service serve`, begun in half the time.

Start-up makes hundreds of thousands of objects and no garbage. The collector walks them again and again unless it
is told to wait: of 1.8 s of a service's imports and exit that is 0.8 s, and a start is eleven such processes.
"""

import atexit
import gc
import runpy
import sys


def main() -> None:
    """Run the package that the first argument names, with the other arguments as its own."""
    gc.set_threshold(50_000, 20, 100)
    atexit.register(gc.freeze)  # what is left at the end is the system's to clear
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
