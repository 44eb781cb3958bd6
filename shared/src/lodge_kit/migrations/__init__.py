"""The kit's own tables and procrastinate's, as an Alembic branch of their own."""
