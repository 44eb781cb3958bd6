"""PostgreSQL as a data source, 15 to 18: `adapter` is its face."""
