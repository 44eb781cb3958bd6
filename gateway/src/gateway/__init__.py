"""The one door: authenticates requests and routes them to the services."""
