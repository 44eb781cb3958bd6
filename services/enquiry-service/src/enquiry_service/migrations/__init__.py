"""The schema of enquiry-service, revision by revision."""
