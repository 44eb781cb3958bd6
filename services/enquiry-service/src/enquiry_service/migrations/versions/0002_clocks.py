"""The clocks of enquiries: a copy of their dates, and days off that are added to the calendars."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "enquiry_0002"
down_revision = "enquiry_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("due_on", "told_due_soon", "told_overdue"):
        op.add_column("enquiry", sa.Column(name, sa.Date(), nullable=True))
    op.add_column("enquiry", sa.Column("clock_state", sa.Text(), nullable=True))
    op.create_index("ix_enquiry_due_on", "enquiry", ["due_on"], postgresql_where="status IN ('new', 'open', 'waiting')")
    op.create_table(
        "days_off",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("nations", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("entered_by", sa.Text(collation="C"), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Text(collation="C"), nullable=True),
        sa.CheckConstraint("kind IN ('bank-holiday', 'closure')", name=op.f("ck_days_off_kind")),
        sa.CheckConstraint("first_on <= last_on", name=op.f("ck_days_off_in_order")),
        sa.CheckConstraint("(kind = 'closure') = (nations = '{}')", name=op.f("ck_days_off_of_nations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_days_off")),
    )
    op.create_index("ix_days_off_first_on_id", "days_off", ["first_on", "id"])
