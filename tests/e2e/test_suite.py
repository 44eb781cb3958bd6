"""The whole suite as a person starts it: `lodge_local run`, the journey through it, and its end."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx
import pytest

from lodge_kit.testing.issuer import Issuer
from lodge_local import ports

pytestmark = pytest.mark.xdist_group("suite")  # one suite for all of these, not one for each worker
READY = 110.0
SPAN = 13
"""How many ports the suite and the journey use, from LODGE_PORT on."""


def _free_span() -> int:
    # Each worker of a run has a range of its own, below that of the runner's tests.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    begin = 10_000 + 2_400 * worker
    for first in range(begin + os.getpid() % 1_000, begin + 2_400 - SPAN, SPAN):
        try:
            ports.must_be_free({str(offset): first + offset for offset in range(SPAN)})
        except Exception:  # noqa: BLE001, S112 - in use: the next span
            continue
        return first
    pytest.fail("no free ports")


class Suite:
    """A running suite: its output is read as it comes."""

    def __init__(self, home: Path) -> None:
        self.port = _free_span()
        self.gateway = f"http://127.0.0.1:{self.port}"
        self.environment = os.environ | {"LODGE_HOME": str(home), "LODGE_PORT": str(self.port)}
        self.environment = {k: v for k, v in self.environment.items() if not k.startswith("LODGE_TEST")}
        self.home = home
        self.lines: list[str] = []
        self._queue: Queue[str | None] = Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lodge_local", "run"], env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._queue.put(line)
        self._queue.put(None)

    def until(self, words: str) -> None:
        """Read on until a line holds these words."""
        while True:
            try:
                line = self._queue.get(timeout=READY)
            except Empty:
                pytest.fail(f"no line with {words!r}:\n" + "".join(self.lines[-60:]))
            if line is None:
                pytest.fail(f"ended before a line with {words!r}:\n" + "".join(self.lines[-60:]))
            self.lines.append(line)
            if words in line:
                return

    def headers(self) -> dict[str, str]:
        """Answer the administrator's credential."""
        return {"Authorization": f"Bearer {(self.home / 'admin-key').read_text().strip()}"}

    def stop(self) -> int:
        """Stop it as `kill` does; answer the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        assert self.process.stdout
        self.process.stdout.close()
        return status


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    home = tmp_path_factory.mktemp("lodge") / "a home"
    found = Suite(home)
    try:
        found.until("Lodge is ready")
        yield found
    finally:
        if found.process.poll() is None:
            found.stop()


@pytest.mark.timeout(240)
def test_the_journey_is_walked(suite: Suite) -> None:
    walked = subprocess.run(
        [sys.executable, "-P", "-m", "lodge_local", "demo"], env=suite.environment, text=True, capture_output=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert "The journey was walked" in walked.stdout


@pytest.mark.timeout(240)
def test_nothing_is_open_to_whom_the_gateway_does_not_know(suite: Suite) -> None:
    forged = Issuer().headers("per_01J0000000000000000000EV1L", audience="access", permissions={"access.grant": "*"})
    for headers in ({}, {"Authorization": "Bearer lodge_x_y"}, {"Authorization": "Basic eDp5"}, forged):
        for path in ("/access/v1/people", "/enquiry/v1/enquiries", "/release/v1/releases", "/scim/v2/Users"):
            answer = httpx.get(suite.gateway + path, headers=headers)
            kind = "application/scim+json" if path.startswith("/scim") else "application/problem+json"
            assert (answer.status_code, answer.headers["content-type"]) == (401, kind), path
    for offset in (1, 2, 3):  # the services themselves, behind the gateway's back
        service = ("access/v1/people", "enquiry/v1/enquiries", "release/v1/releases")[offset - 1]
        for headers in ({}, forged, suite.headers(), {"X-Lodge-Caller": "per_1", "X-Forwarded-User": "admin"}):
            answer = httpx.get(f"http://127.0.0.1:{suite.port + offset}/{service}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")


@pytest.mark.timeout(240)
def test_what_the_gateway_does_not_route_is_not_there(suite: Suite) -> None:
    for path in ("/internal/v1/callers/resolve", "/internal/v1/permissions", "/metrics", "/nothing"):
        assert httpx.get(suite.gateway + path, headers=suite.headers()).status_code == 404, path


@pytest.mark.timeout(240)
def test_one_document_has_all_four(suite: Suite) -> None:
    document = httpx.get(f"{suite.gateway}/openapi.json").json()
    assert {"/access/v1/people", "/enquiry/v1/enquiries", "/release/v1/releases"} <= document["paths"].keys()
    assert {"grant.ended", "enquiry.answered", "release.published"} <= document["webhooks"].keys()
    assert "x-stale" not in document


@pytest.mark.timeout(240)
def test_the_directory_passes_every_check_of_the_scim_tester(suite: Suite) -> None:
    program = Path(sys.executable).with_name("scim2")
    told = suite.environment | {"SCIM_CLI_HEADERS": f"Authorization: {suite.headers()['Authorization']}"}
    checked = subprocess.run(
        [program, "--url", f"{suite.gateway}/scim/v2", "test"],
        env=told, text=True, capture_output=True, timeout=220, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("SUCCESS") > 50


@pytest.mark.timeout(240)
def test_lists_look_real(suite: Suite) -> None:
    for path, least in (("access/v1/people", 1_000), ("enquiry/v1/enquiries", 1_000), ("release/v1/releases", 50)):
        page = httpx.get(f"{suite.gateway}/{path}?count=true", headers=suite.headers()).json()
        assert page["count"] >= least, path
    enquiry = httpx.get(f"{suite.gateway}/enquiry/v1/enquiries", headers=suite.headers()).json()["items"][0]
    assert enquiry["requester"]["name"]


@pytest.mark.timeout(240)
def test_a_right_on_one_report_is_given_and_used_through_the_gateway(suite: Suite) -> None:
    with httpx.Client(base_url=suite.gateway, headers=suite.headers()) as admin:

        def made(path: str, **body: Any) -> dict[str, Any]:
            answer = admin.post(path, json=body)
            assert answer.status_code == 201, answer.text
            found: dict[str, Any] = answer.json()
            return found

        report = next(
            one for one in admin.get("/enquiry/v1/reports").json()["items"] if one["approved_version"] is not None
        )
        person = made("/access/v1/people", user_name="greta-given", name="Greta Given")["id"]
        system = made("/access/v1/systems", key="lodge-reports", name="Reports")["id"]
        permission = made(
            f"/access/v1/systems/{system}/permissions", name="run one", action="report.run", resource_type="report",
            condition=f'resource.id == "{report["id"]}"',
        )  # fmt: skip
        role = made("/access/v1/roles", system=system, name="runs one", permissions=[permission["id"]])
        made("/access/v1/grants", subject=person, role=role["id"])
        key = made("/access/v1/keys", owner=person)["key"]
    with httpx.Client(base_url=suite.gateway, headers={"Authorization": f"Bearer {key}"}) as greta:
        assert [one["id"] for one in greta.get("/enquiry/v1/reports").json()["items"]] == [report["id"]]
        path = f"/enquiry/v1/reports/{report['id']}"
        assert greta.get(f"{path}/rights").json() == {"rights": ["run"]}
        assert greta.get(f"{path}/parameters").status_code == 200
        assert greta.get(f"{path}/versions").status_code == 403


@pytest.mark.timeout(240)
def test_it_stops_cleanly_and_keeps_its_data(suite: Suite) -> None:
    made = httpx.post(
        f"{suite.gateway}/access/v1/people", json={"user_name": "kept", "name": "Kept Person"}, headers=suite.headers()
    ).json()
    assert suite.stop() == 0
    again = Suite(suite.home)
    try:
        again.until("Lodge is ready")
        path = f"{again.gateway}/access/v1/people/{made['id']}"
        assert httpx.get(path, headers=again.headers()).json()["name"] == "Kept Person"
    finally:
        assert again.stop() == 0
