"""Kinds of enquiries as data, with the fields of each; an enquiry's own fields, and its team."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "enquiry_0003"
down_revision = "enquiry_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "enquiry_kind",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("targets", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("default_team", sa.Text(collation="C"), nullable=True),
        sa.Column("fields_version", sa.Integer(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "clock IN ('foia', 'foisa', 'eir', 'eir-scotland', 'sar', 'internal')", name=op.f("ck_enquiry_kind_clock")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_enquiry_kind")),
    )
    op.create_table(
        "kind_fields",
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("author", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["kind"], ["enquiry_kind.key"], name=op.f("fk_kind_fields_kind_enquiry_kind")),
        sa.PrimaryKeyConstraint("kind", "number", name=op.f("pk_kind_fields")),
    )
    op.drop_constraint("ck_enquiry_kind", "enquiry")
    op.add_column(
        "enquiry",
        sa.Column("fields", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
    op.add_column("enquiry", sa.Column("fields_version", sa.Integer(), nullable=True))
    op.add_column("enquiry", sa.Column("team", sa.Text(collation="C"), nullable=True))
    op.create_index("ix_enquiry_team", "enquiry", ["team"])
