"""The first slice of access-service."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "access_0001"
down_revision = None
branch_labels = ("access",)
depends_on = "kit_0001"


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("sha256", name=op.f("uq_api_key_sha256")),
    )
    op.create_index(op.f("ix_api_key_owner"), "api_key", ["owner"], unique=False)
    op.create_table(
        "group",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group")),
        sa.UniqueConstraint("name", name=op.f("uq_group_name")),
    )
    op.create_table(
        "org_unit",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("parent", sa.Text(collation="C"), nullable=True),
        sa.ForeignKeyConstraint(["parent"], ["org_unit.id"], name=op.f("fk_org_unit_parent_org_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_org_unit")),
        sa.UniqueConstraint("code", name=op.f("uq_org_unit_code")),
    )
    op.create_index(op.f("ix_org_unit_parent"), "org_unit", ["parent"], unique=False)
    op.create_table(
        "person",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("org_unit", sa.Text(collation="C"), nullable=True),
        sa.Column("manager", sa.Text(collation="C"), nullable=True),
        sa.Column("deputy", sa.Text(collation="C"), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("joined_on", sa.Date(), nullable=True),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("notices", sa.Text(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'inactive')", name=op.f("ck_person_status")),
        sa.ForeignKeyConstraint(["deputy"], ["person.id"], name=op.f("fk_person_deputy_person")),
        sa.ForeignKeyConstraint(["manager"], ["person.id"], name=op.f("fk_person_manager_person")),
        sa.ForeignKeyConstraint(["org_unit"], ["org_unit.id"], name=op.f("fk_person_org_unit_org_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("external_id", name=op.f("uq_person_external_id")),
    )
    op.create_index(op.f("ix_person_name"), "person", ["name"], unique=False)
    op.create_index(op.f("ix_person_org_unit"), "person", ["org_unit"], unique=False)
    op.create_index(
        "ix_person_q",
        "person",
        ["name", "user_name", "email"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops", "user_name": "gin_trgm_ops", "email": "gin_trgm_ops"},
    )
    op.create_index("uq_person_user_name", "person", [sa.literal_column("lower(user_name)")], unique=True)
    op.create_table(
        "group_member",
        sa.Column("group_id", sa.Text(collation="C"), nullable=False),
        sa.Column("person_id", sa.Text(collation="C"), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["group.id"], name=op.f("fk_group_member_group_id_group"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_group_member_person_id_person")),
        sa.PrimaryKeyConstraint("group_id", "person_id", name=op.f("pk_group_member")),
    )
    op.create_index(op.f("ix_group_member_person_id"), "group_member", ["person_id"], unique=False)
    op.create_table(
        "service_account",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["person.id"], name=op.f("fk_service_account_owner_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_account")),
        sa.UniqueConstraint("name", name=op.f("uq_service_account_name")),
    )
    op.create_table(
        "system",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=True),
        sa.ForeignKeyConstraint(["owner"], ["person.id"], name=op.f("fk_system_owner_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_system")),
        sa.UniqueConstraint("key", name=op.f("uq_system_key")),
    )
    op.create_index(op.f("ix_system_name"), "system", ["name"], unique=False)
    op.create_index(
        "ix_system_q",
        "system",
        ["name", "key"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops", "key": "gin_trgm_ops"},
    )
    op.create_table(
        "permission",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("system_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("supplier_code", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["system_id"], ["system.id"], name=op.f("fk_permission_system_id_system")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permission")),
    )
    op.create_index("ix_permission_action_resource_type", "permission", ["action", "resource_type"], unique=False)
    op.create_index("uq_permission_system_id_name", "permission", ["system_id", "name"], unique=True)
    op.create_table(
        "role",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("system_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("everyone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("state IN ('draft', 'active', 'retired')", name=op.f("ck_role_state")),
        sa.ForeignKeyConstraint(["owner"], ["person.id"], name=op.f("fk_role_owner_person")),
        sa.ForeignKeyConstraint(["system_id"], ["system.id"], name=op.f("fk_role_system_id_system")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role")),
    )
    op.create_index(
        "ix_role_q",
        "role",
        ["name", "description"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops", "description": "gin_trgm_ops"},
    )
    op.create_index("uq_role_system_id_name", "role", ["system_id", "name"], unique=True)
    op.create_table(
        "role_grant",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("role_id", sa.Text(collation="C"), nullable=False),
        sa.Column("org_unit", sa.Text(collation="C"), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.Text(collation="C"), nullable=False),
        sa.Column("ended_by", sa.Text(collation="C"), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("subject"), "="),
            (sa.column("role_id"), "="),
            (sa.text("coalesce(org_unit, '')"), "="),
            (sa.text("tstzrange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="ex_role_grant_overlap",
        ),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_role_grant_order")),
        sa.ForeignKeyConstraint(["org_unit"], ["org_unit.id"], name=op.f("fk_role_grant_org_unit_org_unit")),
        sa.ForeignKeyConstraint(["role_id"], ["role.id"], name=op.f("fk_role_grant_role_id_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grant")),
    )
    op.create_index(op.f("ix_role_grant_role_id"), "role_grant", ["role_id"], unique=False)
    op.create_index("ix_role_grant_subject_role_id", "role_grant", ["subject", "role_id"], unique=False)
    op.create_table(
        "role_inheritance",
        sa.Column("role_id", sa.Text(collation="C"), nullable=False),
        sa.Column("inherits", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(["inherits"], ["role.id"], name=op.f("fk_role_inheritance_inherits_role")),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_role_inheritance_role_id_role"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role_id", "inherits", name=op.f("pk_role_inheritance")),
    )
    op.create_index(op.f("ix_role_inheritance_inherits"), "role_inheritance", ["inherits"], unique=False)
    op.create_table(
        "role_permission",
        sa.Column("role_id", sa.Text(collation="C"), nullable=False),
        sa.Column("permission_id", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(
            ["permission_id"], ["permission.id"], name=op.f("fk_role_permission_permission_id_permission")
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_role_permission_role_id_role"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role_id", "permission_id", name=op.f("pk_role_permission")),
    )
    op.create_index(op.f("ix_role_permission_permission_id"), "role_permission", ["permission_id"], unique=False)
