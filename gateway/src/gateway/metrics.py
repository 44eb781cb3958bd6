"""What Prometheus reads, on a loopback port of its own: requests, their times, the cache, failing services."""

from collections.abc import Callable, Iterator, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The figures of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "lodge_gateway_requests", "Requests.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "lodge_gateway_request_seconds", "Time to the end of the answer.", ("route",),
            registry=self.registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._upstream_errors = Counter(
            "lodge_gateway_upstream_errors", "Calls that a service did not answer.", ("service", "code"),
            registry=self.registry,
        )  # fmt: skip
        self._following = Gauge(
            "lodge_gateway_changes_followed", "Whether the stream of changes is open.", registry=self.registry
        )
        # labels() takes a lock and builds a tuple of strings; the few that exist are kept.
        self._counting: dict[tuple[str, str, int], Callable[[], None]] = {}
        self._timing: dict[str, Callable[[float], None]] = {}

    def record(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (route, method if method in _METHODS else "other", status)
        count = self._counting.get(key)
        if count is None:
            count = self._counting[key] = self._requests.labels(route, key[1], str(status)).inc
        count()
        time = self._timing.get(route)
        if time is None:
            time = self._timing[route] = self._seconds.labels(route).observe
        time(seconds)

    def upstream_error(self, service: str, code: str) -> None:
        """Count a call that a service did not answer."""
        self._upstream_errors.labels(service, code).inc()

    def following(self, *, open_: bool) -> None:
        """Say whether the stream of changes is open."""
        self._following.set(int(open_))

    def watch_cache(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Publish what `read` tells of looking callers up: hits, misses, answers while access-service was away."""
        self.registry.register(_Cache(read))


class _Cache(Collector):
    """The cache counts by itself; it is asked when Prometheus asks."""

    def __init__(self, read: Callable[[], Mapping[str, int]]) -> None:
        self._read = read

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily("lodge_gateway_callers", "Callers looked up.", labels=["outcome"])
        for outcome, count in self._read().items():
            family.add_metric([outcome], count)
        yield family


class AdminServer:
    """`/metrics` on loopback, on a port that no caller reaches."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        self.port = 0

    async def open(self, port: int) -> None:
        """Listen; 0 is any port. Raises OSError when the port is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop."""
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path != "/metrics":
            return web.Response(status=404)
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
