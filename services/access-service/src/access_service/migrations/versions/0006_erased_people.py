"""When a person was erased."""

import sqlalchemy as sa
from alembic import op

revision = "access_0006"
down_revision = "access_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_person_erased"), "person", "erased_at IS NULL OR deleted_at IS NOT NULL")
