"""An index for what somebody did of one kind, which neither filter finds alone."""

from alembic import op

revision = "kit_0003"
down_revision = "kit_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = ["actor", "action", "at", "id"]
    op.create_index("ix_audit_event_actor_action_at_id", "audit_event", columns, unique=False)
