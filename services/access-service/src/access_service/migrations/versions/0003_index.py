"""Whoever changes what decisions depend on, the index of every process is told: by triggers, so that none is forgotten."""

from alembic import op

revision = "access_0003"
down_revision = "access_0002"
branch_labels = None
depends_on = None

# Statement by statement: a load of a million rows tells one thing, "*", and not a million.
_SUBJECTS = """
CREATE FUNCTION lodge_tell_index() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    several boolean;
    one text;
BEGIN
    EXECUTE format('SELECT count(*) > 200 FROM (SELECT DISTINCT %I FROM changed LIMIT 201) few', TG_ARGV[0])
        INTO several;
    IF several THEN
        PERFORM pg_notify('lodge_index', '*');
    ELSE
        FOR one IN EXECUTE format('SELECT DISTINCT %I FROM changed', TG_ARGV[0]) LOOP
            PERFORM pg_notify('lodge_index', one);
        END LOOP;
    END IF;
    RETURN NULL;
END $$
"""
_MODEL = """
CREATE FUNCTION lodge_tell_index_model() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('lodge_index', 'model');
    RETURN NULL;
END $$
"""
_NAMED = {
    "person": "id",
    "service_account": "id",
    "group_member": "person_id",
    "role_grant": "subject",
    "resource": "id",
}
"""A table, and the column that names what is to be read anew."""
_OF_MODEL = ("org_unit", "permission", "role", "role_inheritance", "role_permission", "system")


def upgrade() -> None:
    op.execute(_SUBJECTS)
    op.execute(_MODEL)
    for table, column in _NAMED.items():
        for deed, side in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            op.execute(
                f"CREATE TRIGGER tell_index_{deed.lower()} AFTER {deed} ON {table}"
                f" REFERENCING {side} TABLE AS changed"
                f" FOR EACH STATEMENT EXECUTE FUNCTION lodge_tell_index('{column}')"
            )
    for table in _OF_MODEL:
        op.execute(
            f"CREATE TRIGGER tell_index AFTER INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION lodge_tell_index_model()"
        )
