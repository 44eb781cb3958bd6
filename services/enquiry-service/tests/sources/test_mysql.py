"""What is MariaDB's and MySQL's own: what their users may, and what they cut without an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from enquiry_service.export.spool import Spool
from enquiry_service.export.watch import Watch
from enquiry_service.sources import Limits, Refused

pytestmark = pytest.mark.needs("mariadb")

SLIPS = {
    "user-privileges": ("GRANT PROCESS, FILE ON *.* TO $@'%'", "REVOKE PROCESS, FILE ON *.* FROM $@'%'"),
    "schema-privileges": ("GRANT INSERT ON $.* TO $@'%'", "REVOKE INSERT ON $.* FROM $@'%'"),
    "table-privileges": ("GRANT DELETE ON $.many TO $@'%'", "REVOKE DELETE ON $.many FROM $@'%'"),
    "column-privileges": ("GRANT UPDATE (n) ON $.many TO $@'%'", "REVOKE UPDATE (n) ON $.many FROM $@'%'"),
    "grant-option": (
        "GRANT SELECT ON $.many TO $@'%' WITH GRANT OPTION", "REVOKE SELECT, GRANT OPTION ON $.many FROM $@'%'"
    ),
    "wrote": ("GRANT CREATE, DROP ON $_hidden.* TO $@'%'", "REVOKE CREATE, DROP ON $_hidden.* FROM $@'%'"),
}  # fmt: skip


@contextmanager
def slip(server: Any, make: str, mend: str) -> Iterator[None]:
    server.do(make)
    try:
        yield
    finally:
        server.do(mend)


@pytest.mark.parametrize("code", SLIPS)
def test_each_way_to_write_is_found_and_told(code: str, mysql_server: Any, mysql_place: Any) -> None:
    before = mysql_place.fingerprint()
    with slip(mysql_server, *SLIPS[code]):
        found = {one.code: one for one in mysql_place.adapter.check(mysql_place.target)}
    assert found[code].blocking
    assert found[code].detail.endswith(".")
    assert mysql_place.fingerprint() == before


def test_a_role_given_to_the_user_is_told(mysql_server: Any, mysql_place: Any) -> None:
    with slip(mysql_server, "CREATE ROLE $_role", "DROP ROLE $_role"):
        mysql_server.do("GRANT $_role TO $@'%'")
        found = [one.code for one in mysql_place.adapter.check(mysql_place.target) if one.blocking]
    assert found == ["role-membership"]


def test_a_database_that_is_not_open_to_the_user_is_told(mysql_server: Any, mysql_place: Any) -> None:
    target = mysql_place.target.model_copy(update={"schemas": (mysql_server.name, f"{mysql_server.name}_hidden")})
    assert [one.code for one in mysql_place.adapter.check(target)] == ["schema-missing"]


def run(place: Any, path: Path, text: str) -> list[str]:
    limits = Limits(seconds=20)
    with Spool(path, most=limits.bytes) as spool:
        watch = Watch(limits.seconds, lambda _: None)
        place.adapter.run(place.target, place.checked(text), {}, limits=limits, sink=spool, watch=watch)
        spool.keep()
    return path.read_text().splitlines()


def test_a_text_that_the_server_would_cut_fails_the_run(mysql_place: Any, result: Path) -> None:
    long = "concat(" + ", ".join(["md5(a.n)"] * 40) + ")"
    text = f"SELECT length(group_concat({long})) FROM many AS a, many AS b, many AS c WHERE c.n < 3"  # noqa: S608 - a test's own
    with pytest.raises(Refused, match="GROUP_CONCAT"):
        run(mysql_place, result, text)
    assert not result.exists()


def test_a_recursion_goes_as_deep_as_it_says(mysql_place: Any, result: Path) -> None:
    text = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5000) SELECT max(n) AS n FROM r"
    assert run(mysql_place, result, text) == ["n", "5000"]


def test_kinds_of_values_that_only_this_product_has(mysql_server: Any, mysql_place: Any, result: Path) -> None:
    mysql_server.do(
        "CREATE TABLE $.kinds (a TIMESTAMP NULL, b TIME(3), c YEAR, d BIT(4), e VARBINARY(4), f ENUM('x', 'y'),"
        " g BIGINT UNSIGNED, h DOUBLE, i JSON, j SET('p', 'q'))"
    )
    try:
        mysql_server.do(
            "INSERT INTO $.kinds VALUES ('2026-01-01 00:00:00', '-34:05:06.7', 2026, b'101', x'00ff', 'y',"
            " 18446744073709551615, 1.5, '{\"a\": 1}', 'p,q')"
        )
        heading, line = run(mysql_place, result, "SELECT * FROM kinds")
    finally:
        mysql_server.do("DROP TABLE $.kinds")
    assert heading == "a,b,c,d,e,f,g,h,i,j"
    told = "2026-01-01T00:00:00Z,-34:05:06.7,2026,\\x05,\\x00ff,y,18446744073709551615,1.5,"
    assert line == told + '"{""a"": 1}","p,q"'
