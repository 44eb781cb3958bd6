"""The first slice of enquiry-service."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "enquiry_0001"
down_revision = None
branch_labels = ("enquiry",)
depends_on = "kit_0001"


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "data_source",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("database", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("secret_name", sa.Text(), nullable=False),
        sa.Column("ssl_mode", sa.Text(), nullable=False),
        sa.Column("allowed_schemas", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("allowed_functions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("row_limit", sa.BigInteger(), nullable=False),
        sa.Column("seconds_limit", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_findings", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("adapter IN ('postgresql')", name=op.f("ck_data_source_adapter")),
        sa.CheckConstraint("ssl_mode IN ('prefer', 'require', 'verify-full')", name=op.f("ck_data_source_ssl_mode")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_source")),
        sa.UniqueConstraint("name", name=op.f("uq_data_source_name")),
    )
    op.create_index(op.f("ix_data_source_owner"), "data_source", ["owner"], unique=False)
    op.create_index(
        "ix_data_source_q",
        "data_source",
        ["name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.create_table(
        "enquiry",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(collation="C"), nullable=False),
        sa.Column("org_unit", sa.Text(collation="C"), nullable=True),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("assignee", sa.Text(collation="C"), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('data', 'report', 'fault', 'access', 'foi', 'sar', 'return')", name=op.f("ck_enquiry_kind")
        ),
        sa.CheckConstraint("priority IN ('low', 'normal', 'high', 'urgent')", name=op.f("ck_enquiry_priority")),
        sa.CheckConstraint(
            "status IN ('new', 'open', 'waiting', 'answered', 'closed')", name=op.f("ck_enquiry_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enquiry")),
    )
    op.create_index(op.f("ix_enquiry_assignee"), "enquiry", ["assignee"], unique=False)
    op.create_index(op.f("ix_enquiry_org_unit"), "enquiry", ["org_unit"], unique=False)
    op.create_index(
        "ix_enquiry_q",
        "enquiry",
        ["title", "description"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops", "description": "gin_trgm_ops"},
    )
    op.create_index(op.f("ix_enquiry_requester"), "enquiry", ["requester"], unique=False)
    op.create_index("ix_enquiry_status_priority", "enquiry", ["status", "priority"], unique=False)
    op.create_table(
        "enquiry_event",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("enquiry_id", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(collation="C"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["enquiry_id"], ["enquiry.id"], name=op.f("fk_enquiry_event_enquiry_id_enquiry")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enquiry_event")),
    )
    op.create_index("ix_enquiry_event_enquiry_id_id", "enquiry_event", ["enquiry_id", "id"], unique=False)
    op.create_table(
        "message",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("enquiry_id", sa.Text(collation="C"), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(collation="C"), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("visibility IN ('public', 'internal')", name=op.f("ck_message_visibility")),
        sa.ForeignKeyConstraint(["enquiry_id"], ["enquiry.id"], name=op.f("fk_message_enquiry_id_enquiry")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index("ix_message_enquiry_id_id", "message", ["enquiry_id", "id"], unique=False)
    op.create_table(
        "report",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["data_source.id"], name=op.f("fk_report_source_id_data_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("name", name=op.f("uq_report_name")),
    )
    op.create_index(op.f("ix_report_owner"), "report", ["owner"], unique=False)
    op.create_index(
        "ix_report_q",
        "report",
        ["name", "description"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops", "description": "gin_trgm_ops"},
    )
    op.create_index(op.f("ix_report_source_id"), "report", ["source_id"], unique=False)
    op.create_table(
        "report_version",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("report_id", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sql", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("result_columns", postgresql.JSONB(), nullable=True),
        sa.Column("author", sa.Text(collation="C"), nullable=False),
        sa.Column("approver", sa.Text(collation="C"), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state <> 'approved' OR approver IS NOT NULL", name=op.f("ck_report_version_approved_by_somebody")
        ),
        sa.CheckConstraint("state IN ('draft', 'review', 'approved', 'retired')", name=op.f("ck_report_version_state")),
        sa.CheckConstraint("approver IS DISTINCT FROM author", name=op.f("ck_report_version_four_eyes")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_version_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_version")),
    )
    op.create_index(op.f("ix_report_version_author"), "report_version", ["author"], unique=False)
    op.create_index(
        "uq_report_version_approved",
        "report_version",
        ["report_id"],
        unique=True,
        postgresql_where="state = 'approved'",
    )
    op.create_index("uq_report_version_report_id_number", "report_version", ["report_id", "number"], unique=True)
    op.create_table(
        "run",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("report_version_id", sa.Text(collation="C"), nullable=False),
        sa.Column("enquiry_id", sa.Text(collation="C"), nullable=True),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(collation="C"), nullable=False),
        sa.Column("org_unit", sa.Text(collation="C"), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("backend_gone", sa.Boolean(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_holder", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'spooling', 'done', 'truncated', 'failed', 'cancelled', 'expired')",
            name=op.f("ck_run_status"),
        ),
        sa.CheckConstraint("status NOT IN ('done', 'truncated') OR sha256 IS NOT NULL", name=op.f("ck_run_hashed")),
        sa.ForeignKeyConstraint(["enquiry_id"], ["enquiry.id"], name=op.f("fk_run_enquiry_id_enquiry")),
        sa.ForeignKeyConstraint(
            ["report_version_id"], ["report_version.id"], name=op.f("fk_run_report_version_id_report_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_enquiry_id"), "run", ["enquiry_id"], unique=False)
    op.create_index(op.f("ix_run_org_unit"), "run", ["org_unit"], unique=False)
    op.create_index(op.f("ix_run_report_version_id"), "run", ["report_version_id"], unique=False)
    op.create_index(op.f("ix_run_requested_by"), "run", ["requested_by"], unique=False)
    op.create_index(
        "ix_run_under_way",
        "run",
        ["lease_until"],
        unique=False,
        postgresql_where="status IN ('queued', 'running', 'spooling')",
    )
    op.create_table(
        "artifact",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("run_id", sa.Text(collation="C"), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("format IN ('csv')", name=op.f("ck_artifact_format")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_artifact_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact")),
    )
    op.create_index(
        "ix_artifact_expires_at", "artifact", ["expires_at"], unique=False, postgresql_where="destroyed_at IS NULL"
    )
    op.create_index(op.f("ix_artifact_sha256"), "artifact", ["sha256"], unique=False)
    op.create_index("uq_artifact_run_id_format", "artifact", ["run_id", "format"], unique=True)
