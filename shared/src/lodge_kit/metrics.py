"""What an operator watches, in Prometheus' text form at `/metrics`: requests, and what each part adds."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = [bound for bound in Histogram.DEFAULT_BUCKETS if bound != float("inf")]


class _Counted:
    """Requests of one route, method and status."""

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(_BOUNDS) + 1)


class Metrics(Collector):
    """The numbers of one process, in a registry of its own, so that two apps in one test do not share them.

    Requests are counted here and not by the library's own counters, whose locks and labels would cost a decision a
    tenth of its time.
    """

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, int], _Counted] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.in_flight = Gauge("lodge_requests_in_flight", "Requests under way.", registry=self.registry)

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        key = (route, method, status)
        counted = self._counted.get(key)
        if counted is None:
            counted = self._counted[key] = _Counted()
        counted.count += 1
        counted.seconds += seconds
        counted.buckets[bisect_left(_BOUNDS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """Answer what was counted."""
        requests = CounterMetricFamily("lodge_requests", "Requests answered.", labels=["route", "method", "status"])
        seconds = HistogramMetricFamily("lodge_request_seconds", "Seconds to the last byte.", labels=["route"])
        routes: dict[str, list[_Counted]] = {}
        for (route, method, status), counted in self._counted.items():
            requests.add_metric([route, method, str(status)], counted.count)
            routes.setdefault(route, []).append(counted)
        for route, all_of_it in routes.items():
            buckets = accumulate(map(sum, zip(*(one.buckets for one in all_of_it), strict=True)))
            named = [*map(str, _BOUNDS), "+Inf"]
            total = sum(one.seconds for one in all_of_it)
            seconds.add_metric([route], list(zip(named, buckets, strict=True)), total)
        yield requests
        yield seconds

    def text(self) -> bytes:
        """Write all of it down."""
        return generate_latest(self.registry)
