"""Settings are read once, from the environment or from files, and what is wrong is said without its value."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.fernet import Fernet
from pydantic_settings import SettingsConfigDict

from lodge_kit import context, logs
from lodge_kit.command import read
from lodge_kit.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="LODGE_DESK_")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:

    for name in [name for name in os.environ if name.startswith("LODGE_") and "TEST" not in name]:
        monkeypatch.delenv(name)


GOOD = {
    "LODGE_DESK_PORT": "8009", "LODGE_DESK_DATABASE_URL": "postgresql://desk:p%40ss@db/desk",
    "LODGE_SEALING_KEYS": Fernet.generate_key().decode(), "LODGE_AUDIT_KEY": "a",
}  # fmt: skip


def test_a_service_has_its_own_settings_and_the_shared_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GOOD | {"LODGE_OUTBOUND_ALLOW": "campus.example:443, 10.2.0.0/16,"}).items():
        monkeypatch.setenv(name, value)
    found: Settings = read(Settings)
    assert (found.port, found.audit_key.get_secret_value()) == (8009, "a")
    assert found.outbound_allow == ("campus.example:443", "10.2.0.0/16")
    assert "p%40ss" not in repr(found)
    with pytest.raises(Exception, match="frozen"):
        setattr(found, "port", 1)  # noqa: B010 - the checker refuses the plain form, as it should


def test_secrets_are_read_from_files_of_the_same_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in GOOD.items():
        (tmp_path / name.lower()).write_text(value + "\n")
    (tmp_path / "another").write_text("x")
    monkeypatch.setenv("LODGE_SECRETS_DIR", str(tmp_path))
    found: Settings = read(Settings)
    assert found.database_url.get_secret_value() == GOOD["LODGE_DESK_DATABASE_URL"]
    assert found.sealing_keys.get_secret_value() == GOOD["LODGE_SEALING_KEYS"]
    monkeypatch.setenv("LODGE_AUDIT_KEY", "from the environment")
    assert read(Settings).audit_key.get_secret_value() == "from the environment"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"LODGE_AUDIT_KEY": None}, "LODGE_AUDIT_KEY"), ({"LODGE_DESK_DATABASE_URL": None}, "LODGE_DESK_DATABASE_URL"),
        ({"LODGE_DESK_PORT": "s3cret"}, "LODGE_DESK_PORT"), ({"LODGE_TIME_ZONE": "Nowhere/Land"}, "LODGE_TIME_ZONE"),
        ({"LODGE_OUTBOUND_ALLOW": "campus.example"}, "LODGE_OUTBOUND_ALLOW"),
        ({"LODGE_OUTBOUND_ALLOW": "10.0.0.1/8"}, "LODGE_OUTBOUND_ALLOW"),
        ({"LODGE_DESK_DATABASE_URL": "mysql://desk:s3cret@db/desk"}, "LODGE_DESK_DATABASE_URL"),
        ({"LODGE_DESK_DATABASE_URL": "s3cret"}, "LODGE_DESK_DATABASE_URL"),
        ({"LODGE_DESK_LISTEN_URL": "s3cret"}, "LODGE_DESK_LISTEN_URL"),
        ({"LODGE_SEALING_KEYS": "s3cret"}, "LODGE_SEALING_KEYS"), ({"LODGE_SEALING_KEYS": " , "}, "LODGE_SEALING_KEYS"),
        ({"LODGE_AUDIT_KEY": " "}, "LODGE_AUDIT_KEY"), ({"LODGE_SMTP_URL": "s3cret"}, "LODGE_SMTP_URL"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: dict[str, str | None], named: str
) -> None:
    for name, value in (GOOD | change).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        read(Settings)
    said = capsys.readouterr().err
    assert ended.value.code == os.EX_CONFIG
    assert said.startswith(f"Settings: {named} (")
    assert said.count("\n") == 1
    assert "s3cret" not in said


def test_a_secrets_folder_that_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LODGE_SECRETS_DIR", str(tmp_path / "missing"))
    with pytest.raises(SystemExit):
        read(Settings)
    assert "LODGE_SECRETS_DIR" in capsys.readouterr().err


# Logs


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:

    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    before = structlog.get_config()
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def test_a_log_line_is_json_with_the_request_its_deployable_and_no_secret(lines: Any) -> None:
    logs.set_up("desk-serve")  # here: between set-up and test the output is another
    cause = context.cause("from-the-portal", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    with context.entered(cause):
        logs.logger("desk").info("slip filed", slip="slp_1", api_token="t0p", database_url="postgresql://u:t0p@h/d")
    (line,) = lines()
    assert (line["event"], line["slip"], line["level"], line["deployable"]) == (
        "slip filed", "slp_1", "info", "desk-serve",
    )  # fmt: skip
    assert (line["request_id"], line["trace_id"]) == ("from-the-portal", "0af7651916cd43dd8448eb211c80319c")
    assert "t0p" not in json.dumps(line)


def test_a_librarys_log_is_in_the_same_form_and_uvicorn_logs_no_request(lines: Any) -> None:

    logs.set_up("desk-serve")
    logging.getLogger("sqlalchemy.pool").warning("a connection %s", "broke")
    logging.getLogger("uvicorn.access").info('"GET /calendar.ics?token=t0p"')
    try:
        int("a reason")
    except ValueError:
        logging.getLogger("aiohttp").exception("failed")
    first, second = lines()
    assert (first["event"], first["level"], first["logger"]) == ("a connection broke", "warning", "sqlalchemy.pool")
    assert "a reason" in second["exception"]
