"""The parts that statements about rights are made of: what is held, which permissions are meant, and where.

Each is text of this module's own; every value is bound (`:who`, `:at`, and those of `decisions.place`).
"""

ATTRIBUTES = ("name", "user_name", "external_id", "email", "title", "employee_number", "org_unit", "manager")
"""What the server holds of a subject and conditions see; a service account has a name only."""

ABOUT_PERSON = "json_build_object({})".format(", ".join(f"'{name}', {name}" for name in ATTRIBUTES))
ABOUT_ACCOUNT = "json_build_object('name', name)"
PERSON_VALUES = f"json_build_array({', '.join(ATTRIBUTES)})"
ACCOUNT_VALUES = f"json_build_array(name{', NULL' * (len(ATTRIBUTES) - 1)})"
"""The same without the names: what an index keeps of everybody."""

# An array and no OR: with an OR every grant is read, with the array those of the subject by their index.
HELD = """
    WITH RECURSIVE held (role_id, given, org_unit, environment, grant_id) AS (
        SELECT g.role_id, g.role_id, g.org_unit, g.environment, g.id FROM role_grant g
        WHERE g.subject = ANY (ARRAY(
                SELECT CAST(:who AS text) UNION ALL SELECT m.group_id FROM group_member m WHERE m.person_id = :who))
            AND g.valid_from <= :at AND (g.valid_to IS NULL OR g.valid_to > :at)
        UNION ALL
        SELECT r.id, r.id, NULL, NULL, NULL FROM role r WHERE r.everyone AND starts_with(:who, 'per_')
        UNION
        SELECT i.inherits, h.given, h.org_unit, h.environment, h.grant_id FROM held h
        JOIN role r ON r.id = h.role_id AND r.state = 'active' JOIN role_inheritance i ON i.role_id = r.id
    )
"""

# The permissions that are meant, and where the resource is for each: as its system registered it, or as it is said.
_MEANT = """
    meant AS (
        SELECT p.id, p.action, p.system_id, p.condition, p.request_wins, res.properties,
            CASE WHEN p.request_wins AND :says_unit OR NOT coalesce(res.properties ? 'org_unit', false)
                THEN CAST(:org_unit AS text) ELSE res.properties ->> 'org_unit' END COLLATE "C" AS unit,
            CASE WHEN p.request_wins AND :says_environment OR NOT coalesce(res.properties ? 'environment', false)
                THEN CAST(:environment AS text) ELSE res.properties ->> 'environment' END AS environment
        FROM permission p
        JOIN system s ON s.id = p.system_id AND (CAST(:system AS text) IS NULL OR s.key = :system OR s.id = :system)
        LEFT JOIN resource res ON res.system_id = p.system_id AND res.type = p.resource_type AND res.name = :resource
        WHERE p.resource_type = :resource_type AND {action} AND p.state = 'active'
    ), above (unit, id) AS (
        SELECT DISTINCT m.unit, m.unit FROM meant m WHERE m.unit IS NOT NULL
        UNION SELECT a.unit, o.parent FROM above a JOIN org_unit o ON o.id = a.id WHERE o.parent IS NOT NULL
    )
"""
MEANT = _MEANT.format(action="p.action = :action")
MEANT_OF_EVERY_ACTION = _MEANT.format(action="true")
COVERED = """
    (g.org_unit IS NULL OR EXISTS (SELECT 1 FROM above a WHERE a.unit = m.unit AND a.id = g.org_unit))
        AND (g.environment IS NULL OR g.environment IS NOT DISTINCT FROM m.environment)
"""

# Every way in which one of them is held; a single row without a grant and a role where it is not held at all.
WAYS = f"""
    , ways AS (
        SELECT rp.permission_id, h.given, h.grant_id, array_agg(r.id) AS containing
        FROM held h JOIN role r ON r.id = h.role_id AND r.state = 'active'
        JOIN role_permission rp ON rp.role_id = r.id
        WHERE rp.permission_id IN (SELECT m.id FROM meant m)
        GROUP BY rp.permission_id, h.given, h.grant_id
    )
    SELECT m.id AS permission, m.action, m.system_id AS system, m.condition, m.request_wins,
        CASE WHEN m.condition IS NOT NULL THEN m.properties END AS registered,
        w.given, w.grant_id, w.containing, g.subject, {COVERED} AS there,
        (SELECT json_agg(json_build_array(i.role_id, i.inherits)) FROM role_inheritance i
            JOIN role r ON r.id = i.role_id AND r.state = 'active'
            WHERE i.role_id IN (SELECT h.role_id FROM held h)) AS inheritance
    FROM meant m LEFT JOIN ways w ON w.permission_id = m.id LEFT JOIN role_grant g ON g.id = w.grant_id
"""  # noqa: S608 - constants of this module; every value is bound
