"""Telling other systems what happened: Standard Webhooks out, and the same events in order for those who ask."""

from lodge_kit.webhooks import deliveries, endpoints, event_log

ROUTERS = (endpoints.router, deliveries.router, event_log.router)
"""What every service answers under its own first segment."""
