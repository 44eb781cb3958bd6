"""Versions of reports with classes and editors; tags; what a source's columns tell of people."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "enquiry_0005"
down_revision = "enquiry_0004"
branch_labels = None
depends_on = None

_EMPTY = sa.text("'{}'::text[]")
_NONE = sa.text("'{}'::jsonb")


def upgrade() -> None:
    op.add_column("report", sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=_EMPTY, nullable=False))
    op.create_index("ix_report_tags", "report", ["tags"], postgresql_using="gin")
    op.add_column("report_version", sa.Column("classes", postgresql.JSONB(), server_default=_NONE, nullable=False))
    op.add_column(
        "report_version", sa.Column("editors", postgresql.ARRAY(sa.Text()), server_default=_EMPTY, nullable=False)
    )
    op.create_check_constraint("ck_report_version_eyes_of_another", "report_version", "approver <> ALL (editors)")
    op.add_column("data_source", sa.Column("column_classes", postgresql.JSONB(), server_default=_NONE, nullable=False))
