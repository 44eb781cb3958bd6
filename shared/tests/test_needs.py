"""The marker `needs`: a test without what it needs is skipped, or fails where that is required."""

import pytest

from lodge_kit.testing import needs

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("LODGE_TEST_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.delenv("LODGE_REQUIRE", raising=False)
    pytester.makepyfile("import pytest\n@pytest.mark.needs('redis')\ndef test_it(): pass\n")
    return pytester


def test_a_test_is_skipped_with_a_word_where_its_need_is_missing(run: pytest.Pytester) -> None:
    result = run.runpytest("-p", "lodge_kit.testing.needs", "-rs", "--strict-markers")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*needs redis: nothing answers at 127.0.0.1:1; LODGE_TEST_REDIS_URL names another*")


def test_a_test_fails_where_its_need_is_required(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LODGE_REQUIRE", "node, redis")
    result = run.runpytest("-p", "lodge_kit.testing.needs")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*needs redis: * (LODGE_REQUIRE lists it)*")


def test_every_need_answers_with_a_reason_or_none() -> None:
    assert set(needs.MISSING) == {"chromium", "redis", "mariadb", "node", "docker"}
    for question in needs.MISSING.values():
        assert question() is None or isinstance(question(), str)
