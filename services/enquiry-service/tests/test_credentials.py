"""Secrets by name in one folder, hosts by list: nothing outside either is reached or told."""

import os
from pathlib import Path

import pytest

from enquiry_service.sources import addresses, credentials
from lodge_kit.problems import Invalid


def test_a_secret_is_read_by_its_name_without_the_lines_end(tmp_path: Path) -> None:
    (tmp_path / "campus-reader").write_text("s3cret\n")
    secret = credentials.read(tmp_path, "campus-reader")
    assert secret.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(secret)


@pytest.mark.parametrize("name", ["../x", "", ".", "A", "a/b", "a\n", "a\x00", "é", "a" * 64, "/etc/passwd"])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        credentials.read(tmp_path, name)


def test_a_link_is_followed_within_the_folder_and_never_out_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    (folder / "..data").mkdir(parents=True)
    (folder / "..data" / "inside").write_text("kept")
    (folder / "inside").symlink_to("..data/inside")
    (tmp_path / "outside").write_text("other")
    (folder / "outside").symlink_to(tmp_path / "outside")
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "pipe")
    assert credentials.read(folder, "inside").get_secret_value() == "kept"
    for name in ("outside", "circle", "pipe", "absent"):
        with pytest.raises(Invalid, match=r"no secret|can be read"):
            credentials.read(folder, name)


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xfe-hidden", b"nul-hidden\x00", b"hidden" * 1_000])
def test_what_is_not_one_line_of_text_is_refused_without_showing_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(Invalid) as refused:
        credentials.read(tmp_path, "odd")
    assert "hidden" not in refused.value.detail


def test_only_hosts_on_the_operators_list_are_reached() -> None:
    allowed = ("db.campus.example:5432", "127.0.0.1:5433")
    addresses.require_allowed("DB.campus.example", 5432, allowed=allowed)
    for host, port in [
        ("db.campus.example", 5433),
        ("127.0.0.1", 5432),
        ("127.1", 5433),
        ("db.campus.example,evil.example", 5432),
        ("/var/run/postgresql", 5432),
    ]:
        with pytest.raises(Invalid):
            addresses.require_allowed(host, port, allowed=allowed)
