"""The schema of access-service, revision by revision."""
