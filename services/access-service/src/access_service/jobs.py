"""What access-service's queue can do, and its worker's own rounds."""

import procrastinate

from access_service import peers, rounds

tasks = procrastinate.Blueprint()

LOOPS = (peers.learn_permissions, rounds.go_round)
