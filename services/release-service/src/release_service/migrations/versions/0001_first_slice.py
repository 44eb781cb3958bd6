"""The first slice of release-service."""

import sqlalchemy as sa
from alembic import op

revision = "release_0001"
down_revision = None
branch_labels = ("release",)
depends_on = "kit_0001"


def upgrade() -> None:
    op.create_table(
        "supplier",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("website", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier")),
        sa.UniqueConstraint("name", name=op.f("uq_supplier_name")),
    )
    op.create_table(
        "product",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("supplier", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("org_unit", sa.Text(collation="C"), nullable=True),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("include", sa.Text(), nullable=False),
        sa.Column("exclude", sa.Text(), nullable=False),
        sa.Column("title_pattern", sa.Text(), nullable=False),
        sa.Column("prereleases", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "scheme IN ('maven','semver','pep440','rpm','deb','calendar','natural')", name=op.f("ck_product_scheme")
        ),
        sa.ForeignKeyConstraint(["supplier"], ["supplier.id"], name=op.f("fk_product_supplier_supplier")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("supplier", "name", name=op.f("uq_product_supplier_name")),
    )
    op.create_index(op.f("ix_product_name"), "product", ["name"], unique=False)
    op.create_index(op.f("ix_product_org_unit"), "product", ["org_unit"], unique=False)
    op.create_index(op.f("ix_product_owner"), "product", ["owner"], unique=False)
    op.create_table(
        "release",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("product", sa.Text(collation="C"), nullable=False),
        sa.Column("version_text", sa.Text(), nullable=False),
        sa.Column("sort_key", sa.Text(collation="C"), nullable=False),
        sa.Column("is_prerelease", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("announced_on", sa.Date(), nullable=True),
        sa.Column("available_on", sa.Date(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("withdrawal_reason", sa.Text(), nullable=True),
        sa.Column("changed_by", sa.Text(collation="C"), nullable=True),
        sa.CheckConstraint(
            "kind IN ('statutory','enhancement','patch','security','unspecified')", name=op.f("ck_release_kind")
        ),
        sa.CheckConstraint(
            "state IN ('announced','available','withdrawn','superseded')", name=op.f("ck_release_state")
        ),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_release_product_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
        sa.UniqueConstraint("product", "sort_key", name=op.f("uq_release_product_sort_key")),
    )
    op.create_table(
        "watched_source",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("product", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("every", sa.Interval(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.CheckConstraint("every >= interval '1 minute'", name=op.f("ck_watched_source_every")),
        sa.CheckConstraint("kind IN ('atom')", name=op.f("ck_watched_source_kind")),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_watched_source_product_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watched_source")),
        sa.UniqueConstraint("product", "url", name=op.f("uq_watched_source_product_url")),
    )
    op.create_index(op.f("ix_watched_source_owner"), "watched_source", ["owner"], unique=False)
    op.create_table(
        "sighting",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("guid", sa.Text(collation="C"), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("version_text", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "disposition IN ('new','duplicate','updated','filtered','suspect')", name=op.f("ck_sighting_disposition")
        ),
        sa.ForeignKeyConstraint(
            ["release"], ["release.id"], name=op.f("fk_sighting_release_release"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["watched_source.id"], name=op.f("fk_sighting_source_watched_source"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sighting")),
        sa.UniqueConstraint("source", "guid", name=op.f("uq_sighting_source_guid")),
    )
    op.create_index(op.f("ix_sighting_release"), "sighting", ["release"], unique=False)
    op.create_index(
        "ix_sighting_suspect", "sighting", ["source", "id"], unique=False, postgresql_where="disposition = 'suspect'"
    )
    op.create_table(
        "source_check",
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_ok_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("body_hash", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("defect", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["source"], ["watched_source.id"], name=op.f("fk_source_check_source_watched_source"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_source_check")),
    )
    op.create_index(
        "ix_source_check_due",
        "source_check",
        ["next_check_at"],
        unique=False,
        postgresql_where="next_check_at IS NOT NULL",
    )
    op.create_index(op.f("ix_source_check_host"), "source_check", ["host"], unique=False)
