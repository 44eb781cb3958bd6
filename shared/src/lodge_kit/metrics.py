"""What an operator watches, in Prometheus' text form at `/metrics`: requests, and what each part adds."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The numbers of one process, in a registry of its own, so that two apps in one test do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lodge_requests", "Requests answered.", ["route", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "lodge_request_seconds", "Seconds to the last byte.", ["route"], registry=self.registry
        )
        self.in_flight = Gauge("lodge_requests_in_flight", "Requests under way.", registry=self.registry)

    def text(self) -> bytes:
        """Write all of it down."""
        return generate_latest(self.registry)
