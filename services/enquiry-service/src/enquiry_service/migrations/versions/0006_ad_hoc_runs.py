"""Runs of drafts for a named enquiry; reports that were made of an answered enquiry; who fetched classified columns."""

import sqlalchemy as sa
from alembic import op

revision = "enquiry_0006"
down_revision = "enquiry_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "data_source",
        sa.Column("adhoc_row_limit", sa.BigInteger(), server_default=sa.text("10000"), nullable=False),
    )
    op.add_column("run", sa.Column("ad_hoc", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("run", sa.Column("row_limit", sa.BigInteger(), nullable=True))
    op.create_check_constraint("ck_run_for_an_enquiry", "run", "NOT ad_hoc OR enquiry_id IS NOT NULL")
    op.add_column("report", sa.Column("enquiry_id", sa.Text(collation="C"), nullable=True))
    op.create_foreign_key("fk_report_enquiry_id_enquiry", "report", "enquiry", ["enquiry_id"], ["id"])
    op.create_index("ix_report_enquiry_id", "report", ["enquiry_id"])
    op.add_column("artifact", sa.Column("truncated", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute(
        "UPDATE artifact SET truncated = true FROM run WHERE run.id = artifact.run_id AND run.status = 'truncated'"
    )
    op.create_table(
        "access_log",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person", sa.Text(collation="C"), nullable=False),
        sa.Column("run_id", sa.Text(collation="C"), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.CheckConstraint("data_class IN ('personal', 'special', 'secret')", name=op.f("ck_access_log_data_class")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_access_log_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_log")),
    )
    op.create_index("ix_access_log_origin", "access_log", ["origin"])
    op.create_index("ix_access_log_run_id", "access_log", ["run_id"])
