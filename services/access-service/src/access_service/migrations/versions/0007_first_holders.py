"""The first of those who have a role are read from an index, and so are the groups that have it."""

from alembic import op

revision = "access_0007"
down_revision = "access_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_role_grant_role_id", "role_grant")
    op.create_index("ix_role_grant_role_id_subject", "role_grant", ["role_id", "subject"])
    op.create_index(
        "ix_role_grant_role_id_of_groups", "role_grant", ["role_id"],
        postgresql_where="subject >= 'grp_' AND subject < 'grp`'",
    )  # fmt: skip
