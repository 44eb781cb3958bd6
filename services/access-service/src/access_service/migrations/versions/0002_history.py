"""History of grants, links and states; appointments, resources, conditions, decision records, responsibilities."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "access_0002"
down_revision = "access_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_tables()
    _change_tables()
    _change_constraints()


def _make_tables() -> None:
    op.create_table(
        "attribute_source",
        sa.Column("attribute", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("attribute", name=op.f("pk_attribute_source")),
    )
    op.create_table(
        "decision_record",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Text(collation="C"), nullable=False),
        sa.Column("client_id", sa.Text(collation="C"), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("system_id", sa.Text(collation="C"), nullable=True),
        sa.Column("decision", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("path", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_record")),
    )
    op.create_index(op.f("ix_decision_record_at"), "decision_record", ["at"], unique=False)
    op.create_index("ix_decision_record_subject_id", "decision_record", ["subject", "id"], unique=False)
    op.create_table(
        "person_email",
        sa.Column("person_id", sa.Text(collation="C"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("display", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("primary", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_person_email_person_id_person")),
        sa.PrimaryKeyConstraint("person_id", "position", name=op.f("pk_person_email")),
    )
    op.create_index("ix_person_email_value", "person_email", [sa.literal_column("lower(value)")], unique=False)
    op.execute(
        """
        INSERT INTO person_email (person_id, position, value, type, "primary")
        SELECT id, 0, email, 'work', true FROM person WHERE email IS NOT NULL
        """
    )
    op.create_table(
        "past_link",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outer", sa.Text(collation="C"), nullable=False),
        sa.Column("inner", sa.Text(collation="C"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('member', 'contains', 'inherits')", name=op.f("ck_past_link_kind")),
        sa.PrimaryKeyConstraint("kind", "outer", "inner", "since", "until", name=op.f("pk_past_link")),
    )
    op.create_index("ix_past_link_inner_until", "past_link", ["inner", "until"], unique=False)
    op.create_table(
        "past_meaning",
        sa.Column("permission_id", sa.Text(collation="C"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=True),
        sa.Column("request_wins", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["permission_id"], ["permission.id"], name=op.f("fk_past_meaning_permission_id_permission")
        ),
        sa.PrimaryKeyConstraint("permission_id", "since", name=op.f("pk_past_meaning")),
    )
    op.create_index("ix_past_meaning_action_resource_type", "past_meaning", ["action", "resource_type"], unique=False)
    op.create_table(
        "past_standing",
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "since", name=op.f("pk_past_standing")),
    )
    op.create_index("ix_past_standing_subject_until", "past_standing", ["subject", "until"], unique=False)
    op.create_table(
        "support_function",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("skills", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'retired')", name=op.f("ck_support_function_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_function")),
        sa.UniqueConstraint("key", name=op.f("uq_support_function_key")),
    )
    op.create_table(
        "appointment",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("person_id", sa.Text(collation="C"), nullable=False),
        sa.Column("org_unit", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("manager", sa.Text(collation="C"), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("primary", sa.Boolean(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("person_id"), "="),
            (sa.literal_column("daterange(starts_on, ends_on, '[]')"), "&&"),
            where=sa.text('"primary"'),
            using="gist",
            name="ex_appointment_primary",
        ),
        sa.CheckConstraint("kind IN ('staff', 'student', 'associate')", name=op.f("ck_appointment_kind")),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_appointment_order")),
        sa.ForeignKeyConstraint(["manager"], ["person.id"], name=op.f("fk_appointment_manager_person")),
        sa.ForeignKeyConstraint(["org_unit"], ["org_unit.id"], name=op.f("fk_appointment_org_unit_org_unit")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_appointment_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment")),
    )
    op.create_index(op.f("ix_appointment_ends_on"), "appointment", ["ends_on"], unique=False)
    op.create_index(op.f("ix_appointment_org_unit"), "appointment", ["org_unit"], unique=False)
    op.create_index(op.f("ix_appointment_person_id"), "appointment", ["person_id"], unique=False)
    op.create_index(op.f("ix_appointment_starts_on"), "appointment", ["starts_on"], unique=False)
    op.create_table(
        "post",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("org_unit", sa.Text(collation="C"), nullable=True),
        sa.Column("holder", sa.Text(collation="C"), nullable=True),
        sa.ForeignKeyConstraint(["holder"], ["person.id"], name=op.f("fk_post_holder_person")),
        sa.ForeignKeyConstraint(["org_unit"], ["org_unit.id"], name=op.f("fk_post_org_unit_org_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post")),
        sa.UniqueConstraint("name", name=op.f("uq_post_name")),
    )
    op.create_index(op.f("ix_post_holder"), "post", ["holder"], unique=False)
    op.create_table(
        "responsibility",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("function_id", sa.Text(collation="C"), nullable=False),
        sa.Column("product", sa.Text(collation="C"), nullable=False),
        sa.Column("letter", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(collation="C"), nullable=False),
        sa.Column("deputy", sa.Text(collation="C"), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("function_id"), "="),
            (sa.column("product"), "="),
            (sa.column("holder"), "="),
            (sa.column("letter"), "="),
            (sa.literal_column("daterange(starts_on, ends_on, '[]')"), "&&"),
            using="gist",
            name="ex_responsibility_overlap",
        ),
        postgresql.ExcludeConstraint(
            (sa.column("function_id"), "="),
            (sa.column("product"), "="),
            (sa.literal_column("daterange(starts_on, ends_on, '[]')"), "&&"),
            where=sa.text("letter = 'A'"),
            using="gist",
            name="ex_responsibility_accountable",
        ),
        sa.CheckConstraint("letter <> 'A' OR holder NOT LIKE 'grp\\_%%'", name=op.f("ck_responsibility_accountable")),
        sa.CheckConstraint("letter IN ('R', 'A', 'C', 'I')", name=op.f("ck_responsibility_letter")),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_responsibility_order")),
        sa.ForeignKeyConstraint(["deputy"], ["person.id"], name=op.f("fk_responsibility_deputy_person")),
        sa.ForeignKeyConstraint(
            ["function_id"], ["support_function.id"], name=op.f("fk_responsibility_function_id_support_function")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responsibility")),
    )
    op.create_index(op.f("ix_responsibility_holder"), "responsibility", ["holder"], unique=False)
    op.create_index("ix_responsibility_product", "responsibility", ["product", "function_id"], unique=False)
    op.create_table(
        "responsibility_gap",
        sa.Column("function_id", sa.Text(collation="C"), nullable=False),
        sa.Column("product", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("opens_on", sa.Date(), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["function_id"], ["support_function.id"], name=op.f("fk_responsibility_gap_function_id_support_function"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("function_id", "product", "kind", name=op.f("pk_responsibility_gap")),
    )  # fmt: skip
    op.create_table(
        "resource",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("system_id", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("properties", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["system_id"], ["system.id"], name=op.f("fk_resource_system_id_system")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource")),
    )
    op.create_index("uq_resource_name", "resource", ["system_id", "type", "name"], unique=True)
    op.create_table(
        "past_grant",
        sa.Column("grant_id", sa.Text(collation="C"), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(collation="C"), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["grant_id"], ["role_grant.id"], name=op.f("fk_past_grant_grant_id_role_grant")),
        sa.PrimaryKeyConstraint("grant_id", "recorded_at", name=op.f("pk_past_grant")),
    )
    op.create_index("ix_past_grant_grant_id_superseded_at", "past_grant", ["grant_id", "superseded_at"], unique=False)


def _change_tables() -> None:
    op.add_column("api_key", sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column("api_key", sa.Column("warned_days", sa.Integer(), nullable=True))
    op.add_column("group", sa.Column("external_id", sa.Text(), nullable=True))
    op.add_column("group", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("uq_group_name"), "group", type_="unique")
    op.create_index("uq_group_name", "group", ["name"], unique=True, postgresql_where=sa.text("deleted_at IS NULL"))
    op.create_index(
        "uq_group_external_id", "group", ["external_id"], unique=True, postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.add_column("org_unit", sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False))
    op.add_column("permission", sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False))
    op.add_column("permission", sa.Column("condition", sa.Text(), nullable=True))
    op.add_column(
        "permission", sa.Column("request_wins", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("person", sa.Column("given_name", sa.Text(), nullable=True))
    op.add_column("person", sa.Column("family_name", sa.Text(), nullable=True))
    op.add_column("person", sa.Column("formatted_name", sa.Text(), nullable=True))
    op.add_column("person", sa.Column("title", sa.Text(), nullable=True))
    op.add_column("person", sa.Column("employee_number", sa.Text(), nullable=True))
    op.add_column("person", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("uq_person_external_id"), "person", type_="unique")
    op.create_index(
        "uq_person_external_id", "person", ["external_id"], unique=True, postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.drop_index("uq_person_user_name", table_name="person")
    op.create_index(
        "uq_person_user_name", "person", [sa.literal_column("lower(user_name)")], unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )  # fmt: skip
    op.create_check_constraint("deleted", "person", "deleted_at IS NULL OR status = 'inactive'")
    op.create_index(op.f("ix_person_manager"), "person", ["manager"], unique=False)
    op.add_column("role_grant", sa.Column("environment", sa.Text(), nullable=True))
    op.add_column("role_grant", sa.Column("anchor_type", sa.Text(), nullable=True))
    op.add_column("role_grant", sa.Column("anchor_id", sa.Text(), nullable=True))
    op.create_index(
        "ix_role_grant_anchor_id", "role_grant", ["anchor_id"], unique=False, postgresql_where="anchor_id IS NOT NULL"
    )
    op.add_column(
        "role_inheritance",
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column(
        "role_permission",
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("service_account", sa.Column("source", sa.Text(), nullable=True))


def _change_constraints() -> None:
    # Made anew: the scope of a grant has an environment now.
    op.drop_constraint("ex_role_grant_overlap", "role_grant")
    op.create_exclude_constraint(
        "ex_role_grant_overlap",
        "role_grant",
        (sa.column("subject"), "="),
        (sa.column("role_id"), "="),
        (sa.func.coalesce(sa.column("org_unit"), sa.literal_column("''")), "="),
        (sa.func.coalesce(sa.column("environment"), sa.literal_column("''")), "="),
        (sa.func.tstzrange(sa.column("valid_from"), sa.column("valid_to")), "&&"),
        using="gist",
    )
    op.create_check_constraint("anchor", "role_grant", "(anchor_type IS NULL) = (anchor_id IS NULL)")
    op.create_check_constraint(
        "anchor_type", "role_grant", "anchor_type IN ('release', 'incident', 'localisation', 'enquiry')"
    )
    op.create_check_constraint("origin", "role_grant", "origin IN ('birthright', 'request', 'emergency', 'import')")
    op.create_check_constraint("state", "org_unit", "state IN ('active', 'closed')")
    op.create_check_constraint("state", "permission", "state IN ('active', 'retired')")
    op.create_check_constraint("status", "service_account", "status IN ('active', 'inactive')")
