"""`python -m tests.benchmarks [NAME …]`: measure, print a table, write it into the home's bench.json."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lodge_local.failures import Failed
from tests.benchmarks import decisions_http, deliveries, export_csv, gateway_cpu, memory, ready
from tests.benchmarks.figures import Figure, Tell, keep, table

REGISTRY: Mapping[str, Callable[[Tell], Figure | Sequence[Figure]]] = {
    "gateway-cpu": gateway_cpu.measure,
    "decisions-http": decisions_http.measure,
    "export-csv": export_csv.measure,
    "deliveries": deliveries.measure,
    "ready": ready.measure,
    "memory": memory.measure,
}
"""Every bench by its name. Names stay: figures are compared over years."""


def main(names: Sequence[str]) -> int:
    """Run the named benches, or all; answer the exit status."""
    if unknown := [name for name in names if name not in REGISTRY]:
        print(f"There is no bench {', '.join(unknown)}. There are: {', '.join(REGISTRY)}.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    figures: list[Figure] = []
    failed = False
    for name in names or REGISTRY:
        try:
            found = REGISTRY[name](_teller(name))
            figures += [found] if isinstance(found, Figure) else found
        except Failed as failure:
            failed = True
            print(f"{name}: not measured: {failure}", file=sys.stderr, flush=True)
    if figures:
        file = Path(os.environ.get("LODGE_HOME") or ".lodge") / "bench.json"
        keep(figures, file)
        print(f"\n{table(figures)}\n\nMedians; also in {file}. Other work on this machine shows in them.")
    return 1 if failed else 0


def _teller(name: str) -> Tell:
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{name:<15} {time.monotonic() - began:5.1f} s  {text}", flush=True)

    return tell


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
