"""What tests of a deployable are written with: the issuer of a run, a database a worker, an HTTP client."""
