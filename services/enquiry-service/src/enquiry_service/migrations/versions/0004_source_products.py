"""Data sources of other products: MariaDB and MySQL, and SQLite files, which have no host."""

import sqlalchemy as sa
from alembic import op

revision = "enquiry_0004"
down_revision = "enquiry_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("ck_data_source_adapter", "data_source")
    op.create_check_constraint("ck_data_source_adapter", "data_source", "adapter IN ('postgresql', 'mysql', 'sqlite')")
    for name in ("host", "username", "secret_name"):
        op.alter_column("data_source", name, existing_type=sa.Text(), nullable=True)
    op.alter_column("data_source", "port", existing_type=sa.Integer(), nullable=True)
    op.create_check_constraint(
        "ck_data_source_place",
        "data_source",
        "(adapter = 'sqlite') = (host IS NULL) AND num_nulls(host, port, username, secret_name) IN (0, 4)",
    )
