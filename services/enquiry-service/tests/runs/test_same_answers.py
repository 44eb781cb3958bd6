"""What runs is what the check wrote down again: it must answer as the author's own text does."""

# ruff: noqa: E501 - a statement a line

from typing import Any

import psycopg
import pytest

from enquiry_service.statements import Allowance, check

SAME = [
    "SELECT name ->> 'a', name -> '$.b', name #>> '{c,0}' FROM (SELECT '{\"a\": 1, \"$.b\": 2, \"c\": [3]}'::json) q(name)",
    "SELECT 7 / 2, 7 % 4, 2 ^ 3, -2 ^ 2, 2 ^ 3 ^ 2, |/ 9.0, ||/ 27.0, 1 + |/ 4, 2 + 3 * 4 - 1, NOT 1 = 2, 1 <> 2, 5 & 6 | 1, 5 # 3, ~5, 1 << 4",
    "SELECT E'a\\\\b\\'c\\n\\x41\\u00e9', $q$d\\e$q$, 'f\\g', 'h''i', 'j' 'k' FROM campus.course LIMIT 1".replace("'j' 'k'", "'j'\n'k'"),
    "SELECT interval '1 year 2 months 3 days', interval '1' day, interval '90 minutes', DATE '2026-01-31' + interval '1 month'",
    "SELECT name !~ '^S', name NOT LIKE 'S%', name ILIKE 's_u%', name SIMILAR TO '%(1|2)', id NOT IN (1, 2) FROM campus.student",
    "SELECT level, count(*), count(DISTINCT code), count(*) FILTER (WHERE active), string_agg(DISTINCT code, ',' ORDER BY code) FROM campus.student GROUP BY ROLLUP (level) HAVING count(*) > 1 ORDER BY 1 NULLS FIRST",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY fee), mode() WITHIN GROUP (ORDER BY code) FROM campus.student",
    "SELECT id, rank() OVER w, lag(fee, 1, 0.0) OVER w, sum(fee) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM campus.student WINDOW w AS (PARTITION BY code ORDER BY fee DESC NULLS LAST)",
    "WITH RECURSIVE r(n, t) AS (SELECT 1, 'a' UNION ALL SELECT n + 1, t || 'b' FROM r WHERE n < 5) SELECT * FROM r",
    "SELECT * FROM campus.student s LEFT JOIN campus.course c USING (id) WHERE s.enrolled BETWEEN DATE '2024-09-01' AND DATE '2024-10-01' ORDER BY s.id FETCH FIRST 5 ROWS ONLY",
    "SELECT DISTINCT ON (code) code, id FROM campus.student ORDER BY code, id DESC",
    "SELECT 1 UNION SELECT 2 INTERSECT SELECT 2 EXCEPT ALL SELECT 3 ORDER BY 1",
    "SELECT substring(name, 1, 3), substring(name from '[0-9]+'), trim(both 'S' from name), position('d' in name), overlay(name placing 'X' from 2 for 1), left(name, -1) FROM campus.student",
    "SELECT extract(year from enrolled), date_part('dow', enrolled), date_trunc('month', seen_at), to_char(seen_at, 'YYYY-MM \"at\" HH24:MI'), seen_at AT TIME ZONE 'Europe/London', age(enrolled, DATE '2020-02-29') FROM campus.student",
    "SELECT CASE level WHEN 'ug' THEN 1 ELSE 2 END, CASE WHEN active THEN 'y' WHEN NOT active THEN 'n' END, COALESCE(active, false), NULLIF(code, 'c1'), active IS UNKNOWN, active IS NOT TRUE FROM campus.student",
    "SELECT ARRAY[1, 2] || 3, (ARRAY['a', 'b'])[2], 2 = ANY (ARRAY[1, 2]), ARRAY(SELECT id FROM campus.course ORDER BY id LIMIT 3), ARRAY[1] <@ ARRAY[1, 2], ARRAY[1] && ARRAY[2]",
    "SELECT g.a, g.n FROM unnest(ARRAY['x', 'y']) WITH ORDINALITY AS g(a, n)",
    "SELECT c.id, t.m FROM campus.course c, LATERAL (SELECT max(s.fee) AS m FROM campus.student s WHERE s.id < c.id) t WHERE EXISTS (SELECT FROM campus.student s WHERE s.id = c.id)",
    "SELECT (s).name, (s.notes ->> 'n')::int + 1, notes @> '{\"n\": 1}', notes ? 'n', jsonb_build_object('k', id, 'v', NULL) FROM campus.student s",
    "SELECT fee::int, fee::text, '5'::numeric(6, 2), '12:30'::time, 1.50, .5, 1e3, 'b'::char(3) || '|', '2026-01-01'::timestamptz, X'1F', B'101' FROM campus.student",
    'SELECT row_to_json(q) FROM (SELECT id AS "Odd ""name", title FROM campus.course) q',
    "SELECT (VALUES (1)), make_interval(days => 3), (1, 2) = (1, 2), (DATE '2026-01-01', DATE '2026-02-01') OVERLAPS (DATE '2026-01-15', DATE '2026-03-01')",
    'SELECT title COLLATE "C" FROM campus.course ORDER BY title COLLATE "C" DESC OFFSET 3 LIMIT 4',
    "SELECT grouping(code), code, level, sum(fee) FROM campus.student GROUP BY GROUPING SETS ((code), (level), ()) ORDER BY 1, 2, 3",
    "SELECT sum(CASE WHEN active THEN 1 ELSE 0 END)::numeric / count(*) * 100 FROM campus.student WHERE enrolled >= now() - interval '50 years' AND enrolled < CURRENT_DATE",
]  # fmt: skip


@pytest.mark.parametrize("sql", SAME)
def test_what_runs_answers_the_same_as_what_was_written(sql: str, campus: Any) -> None:
    checked = check(sql, parameters=[], allowance=Allowance(schemas=("campus",)))
    with psycopg.connect(campus.owner_url) as owner:
        ours, theirs = owner.execute(checked.marked), owner.execute(sql)
        assert _described(ours) == _described(theirs)
        assert ours.fetchall() == theirs.fetchall()


def _described(cursor: Any) -> list[tuple[str, int]]:
    return [(column.name, column.type_code) for column in cursor.description]
