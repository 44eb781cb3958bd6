"""What runs on SQLite is what the check wrote down again: it must answer as the author's own text does."""

# ruff: noqa: E501 - a statement a line

import sqlite3
from contextlib import closing

import pytest

from enquiry_service.dialects import sqlite
from enquiry_service.statements import Allowance, check

MADE = """
CREATE TABLE course (id INTEGER PRIMARY KEY, title TEXT, credits NUMERIC, fee REAL, starts TEXT, note TEXT);
INSERT INTO course VALUES
    (1, 'Algebra', 20, 10.5, '2026-01-31', '{"a": {"b": [1, 2]}, "$.b": 2}'),
    (2, 'Bäume', NULL, 7, '2026-02-28', NULL), (3, 'O''Neill', 15, NULL, NULL, '{}');
CREATE TABLE mark (course INTEGER, student TEXT, mark INTEGER);
INSERT INTO mark VALUES (1, 's1', 70), (1, 's2', 55), (2, 's1', NULL), (9, 's9', 1);
"""

SAME = [
    "SELECT CAST('2026-01-02' AS DATE), CAST('10' AS DECIMAL), CAST('10' AS DECIMAL(10,2)), CAST('10.5' AS INTEGER), CAST(3 AS TEXT), CAST('3x' AS REAL), CAST(x'41' AS TEXT), CAST('a' AS BLOB), CAST('7' AS DOUBLE), CAST('7' AS VARCHAR(3)), CAST(5 AS NCHAR(5)), CAST('4' AS FLOAT), CAST('4' AS BIGINT)",
    "SELECT note -> 'a', note -> '$.a.b', note ->> '$.a.b[1]', note ->> '$.b', json_extract(note,'$.a.b[0]') FROM course",
    "SELECT 7/2, 7%4, 2.0*3, 1||2||'a', 5&6|1, ~5, 1<<4, 17>>2, -2, +3, NOT 1=2, 1<>2, 1!=2, 3 IS 3, NULL IS NOT 3, 3 IS NOT DISTINCT FROM 3, 1 IS DISTINCT FROM NULL",
    r"""SELECT 'a''b', "title", [title], `title`, x'4142', 'a\n', 1e3, .5, 0x1F, 1.50 FROM course""",
    r"SELECT title LIKE 'a%', title NOT LIKE 'a%', title GLOB 'A*', title LIKE 'O\_%' ESCAPE '\', title NOT GLOB 'B*' FROM course",
    "SELECT id IN (1,2), id NOT IN (SELECT course FROM mark), id BETWEEN 1 AND 2, id NOT BETWEEN 1 AND 2, credits ISNULL, credits NOTNULL, credits IS NULL, fee IS NOT NULL FROM course",
    "SELECT CASE id WHEN 1 THEN 'x' ELSE 'y' END, CASE WHEN fee>8 THEN 1 END, iif(fee>8,1,0), coalesce(fee,0), nullif(id,1), ifnull(fee,1) FROM course",
    "SELECT course, count(*), count(DISTINCT student), sum(mark), total(mark), avg(mark), min(mark), max(mark), group_concat(student, ';') FROM mark GROUP BY course HAVING count(*)>=1 ORDER BY 1 DESC NULLS LAST",
    "SELECT count(*) FILTER (WHERE mark > 60), group_concat(DISTINCT student) FROM mark",
    "SELECT id, rank() OVER w, lag(fee,1,0.0) OVER w, sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), row_number() OVER (PARTITION BY id%2 ORDER BY fee DESC) FROM course WINDOW w AS (ORDER BY id)",
    "WITH RECURSIVE r(n,t) AS (SELECT 1,'a' UNION ALL SELECT n+1,t||'b' FROM r WHERE n<5) SELECT * FROM r",
    "WITH a AS (SELECT 1 AS x), b(y) AS (SELECT x+1 FROM a) SELECT * FROM a, b",
    "SELECT * FROM course c LEFT JOIN mark m ON m.course=c.id ORDER BY c.id, m.student LIMIT 3 OFFSET 1",
    "SELECT * FROM course c LEFT OUTER JOIN mark m ON m.course=c.id",
    "SELECT * FROM course INNER JOIN mark ON course.id=mark.course",
    "SELECT * FROM course c FULL JOIN mark m ON m.course=c.id",
    "SELECT * FROM course c RIGHT JOIN mark m ON m.course=c.id",
    "SELECT * FROM course CROSS JOIN mark",
    "SELECT c.*, m.mark FROM course c, mark m WHERE c.id=m.course",
    "SELECT id FROM course NATURAL JOIN (SELECT 1 AS id)",
    "SELECT id FROM course JOIN (SELECT 1 AS id) USING (id)",
    "SELECT 1 UNION SELECT 2 UNION ALL SELECT 2 ORDER BY 1 DESC LIMIT 2",
    "SELECT 1 INTERSECT SELECT 1",
    "SELECT 1 EXCEPT SELECT 2",
    "VALUES (1,'a'),(2,'b')",
    "SELECT * FROM (VALUES (1,2),(3,4))",
    "SELECT date('2026-01-31','+1 month'), strftime('%Y-%m', starts), julianday(starts), datetime(starts,'start of month'), time('12:30'), unixepoch('2026-01-01') FROM course",
    "SELECT substr(title,1,3), substring(title,2), trim('  a '), ltrim('xxa','x'), rtrim('axx','x'), upper(title), length(title), instr(title,'e'), replace(title,'a','b'), hex(title), quote(title), unicode(title), char(65,66) FROM course",
    "SELECT round(2.567,1), round(2.5), abs(-1), max(1,2), min(1,2), typeof(fee), sqrt(4), pow(2,3), power(2,3), mod(7,4), ceil(1.2), floor(1.8), trunc(1.8), ln(2), log(100), log(2,8), log2(8), exp(1), pi() FROM course",
    "SELECT EXISTS (SELECT 1 FROM mark WHERE mark > 60), NOT EXISTS (SELECT 1 FROM mark WHERE mark>90)",
    "SELECT (SELECT max(mark) FROM mark m WHERE m.course=c.id) AS best FROM course c",
    "SELECT DISTINCT student FROM mark ORDER BY student COLLATE NOCASE DESC",
    "SELECT title COLLATE NOCASE = 'ALGEBRA' FROM course",
    "SELECT (1,2)=(1,2), (1,2)<(1,3)",
    """SELECT id AS "Odd ""name", title 'x' FROM course""",
    "SELECT id FROM course ORDER BY title IS NULL, title",
    "SELECT value, key, type FROM course, json_each(course.note)",
    "SELECT j.value FROM course c, json_each(c.note, '$.a.b') AS j",
    """SELECT json_object('a',1,'b',json_array(1,2)), json_group_array(id), json('{"a":1}') FROM course""",
    "SELECT current_date > '2000-01-01', CURRENT_TIMESTAMP IS NOT NULL",
    "SELECT * FROM course LIMIT 1, 2",
    "SELECT * FROM course LIMIT -1 OFFSET 1",
    "SELECT TRUE, FALSE, id IS TRUE, id IS NOT FALSE FROM course",
    "SELECT 'a' AS b",
    "SELECT id==1, id<>1 FROM course",
    "SELECT max(mark) AS m, student FROM mark GROUP BY 2 ORDER BY m NULLS FIRST",
    "SELECT last_value(id) OVER (ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), ntile(2) OVER (ORDER BY id), group_concat(title) OVER (ORDER BY id ROWS 1 PRECEDING EXCLUDE CURRENT ROW) FROM course",
    "SELECT -1 % 3, 5 / 0, 5.0 / 2, 1 AND NULL, 0 OR NULL, NOT NULL, - -1, 1 - -1",
    "SELECT ((1)), ((SELECT 1)), (1 + 2) * 3, 1 + (2 * 3), NOT (1 AND 0)",
    "SELECT count(*) AS n FROM course AS c WHERE c.title = 'Algebra' OR c.fee > 5 AND NOT c.id = 2",
    "SELECT m.rowid, rowid, oid FROM mark m",
    "SELECT like('a%', title), glob('A*', title) FROM course",
    "SELECT 1 WHERE 1",
    "SELECT id FROM course WHERE id IN (SELECT course FROM mark GROUP BY course) GROUP BY id",
    "SELECT sum(id) FROM course",
    "SELECT strftime('%s', starts) FROM course",
]  # fmt: skip


@pytest.mark.parametrize("sql", SAME)
def test_what_runs_answers_the_same_as_what_was_written(sql: str) -> None:
    checked = check(sql, parameters=[], allowance=Allowance(schemas=("main",)), dialect=sqlite.DIALECT)
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(MADE)
        ours, theirs = database.execute(checked.marked).fetchall(), database.execute(sql).fetchall()
    if not checked.ordered:
        ours, theirs = sorted(ours, key=repr), sorted(theirs, key=repr)
    assert repr(ours) == repr(theirs)  # 1 and 1.0 are not the same
