"""What began before history was kept is told from when it was made, as far as that is on record: backfill."""

from alembic import op

revision = "access_0004"
down_revision = "access_0003"
branch_labels = None
depends_on = None

# A link that was there when links were first given a beginning got the instant of that migration. Whoever links by the
# service leaves a word in the audit at that very instant; where there is none, the younger of both ends is the beginning.
_LINKS = """
    UPDATE {link} l SET since = greatest(r.created_at, i.created_at) FROM role r, {inner} i
    WHERE r.id = l.{outer} AND i.id = l.{name} AND l.since > greatest(r.created_at, i.created_at) {kind}
        AND NOT EXISTS (SELECT FROM audit_event a WHERE a.subject_id = r.id AND a.at = l.since)
"""
# A grant that was ended before its records were kept was on record from its creation on; which end was foreseen until
# then is lost, and none is told.
_GRANTS = """
    INSERT INTO past_grant (grant_id, recorded_at, superseded_at, valid_from)
    SELECT g.id, g.created_at, g.first, g.valid_from FROM (
        SELECT id, created_at, valid_from,
            coalesce((SELECT min(p.recorded_at) FROM past_grant p WHERE p.grant_id = role_grant.id), updated_at) AS first
        FROM role_grant WHERE updated_at > created_at
    ) g WHERE g.first > g.created_at
"""
_PEOPLE = """
    INSERT INTO past_standing (subject, since, until, state)
    SELECT * FROM (
        SELECT a.subject_id, lag(a.at, 1, p.created_at) OVER (PARTITION BY p.id ORDER BY a.at, a.id) AS since, a.at,
            CASE a.action WHEN 'person.left' THEN 'active' ELSE 'inactive' END
        FROM audit_event a JOIN person p ON p.id = a.subject_id
        WHERE a.action IN ('person.left', 'person.returned')
            AND NOT EXISTS (SELECT FROM past_standing s WHERE s.subject = p.id)
    ) told WHERE told.since < told.at
"""
_ROLES = """
    INSERT INTO past_standing (subject, since, until, state)
    SELECT r.id, r.created_at, max(a.at), 'active' FROM role r JOIN audit_event a ON a.subject_id = r.id
    WHERE r.state = 'retired' AND a.action = 'role.changed' AND a.facts LIKE '%"state"%' AND a.at > r.created_at
        AND NOT EXISTS (SELECT FROM past_standing s WHERE s.subject = r.id)
    GROUP BY r.id
"""


def upgrade() -> None:
    for link, outer, name, inner, kind in (
        ("role_permission", "role_id", "permission_id", "permission", ""),
        ("role_inheritance", "role_id", "inherits", "role", ""),
        ("past_link", '"outer"', '"inner"', "permission", "AND l.kind = 'contains'"),
        ("past_link", '"outer"', '"inner"', "role", "AND l.kind = 'inherits'"),
    ):
        op.execute(_LINKS.format(link=link, outer=outer, name=name, inner=inner, kind=kind))
    for statement in (_GRANTS, _PEOPLE, _ROLES):
        op.execute(statement)
