"""The schema of release-service, revision by revision."""
