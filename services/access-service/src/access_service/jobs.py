"""What access-service's queue can do."""

import procrastinate

tasks = procrastinate.Blueprint()
