"""What the audit knows of people, apart from its rows; indexes for the audit's filters."""

import sqlalchemy as sa
from alembic import op

revision = "kit_0002"
down_revision = "kit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_personal",
        sa.Column("audit_id", sa.Text(collation="C"), nullable=False),
        sa.Column("field", sa.Text(collation="C"), nullable=False),
        sa.Column("about", sa.Text(collation="C"), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", "field", name=op.f("pk_audit_personal")),
    )
    op.create_index("ix_audit_personal_about", "audit_personal", ["about"], unique=False)
    op.create_index("ix_audit_event_at_id", "audit_event", ["at", "id"], unique=False)
    op.create_index("ix_audit_event_actor_at_id", "audit_event", ["actor", "at", "id"], unique=False)
    op.create_index("ix_audit_event_action_at_id", "audit_event", ["action", "at", "id"], unique=False)
    op.create_index("ix_audit_event_subject_id_at_id", "audit_event", ["subject_id", "at", "id"], unique=False)
    op.create_index("ix_audit_event_subject_type_at_id", "audit_event", ["subject_type", "at", "id"], unique=False)
    op.create_index("ix_audit_event_request_id", "audit_event", ["request_id"], unique=False)
    op.drop_index("ix_audit_event_subject_id", "audit_event")
