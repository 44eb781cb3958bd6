"""What the tests run instead of the services: the same commands, with next to nothing behind them."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PREFIXES = {
    "gateway": "LODGE_GATEWAY",
    "access_service": "LODGE_ACCESS",
    "enquiry_service": "LODGE_ENQUIRY",
    "release_service": "LODGE_RELEASE",
}


def main(package: str) -> None:
    """Do what the first argument says."""
    command, words = sys.argv[1], sys.argv[2:]
    if os.environ.get("STAND_IN_FAILS") == f"{package} {command}":
        sys.exit("the stand-in was told to fail")
    if os.environ.get("STAND_IN_IS_SET_WRONG") == f"{package} {command}":
        print("Settings: the stand-in was told so", file=sys.stderr)
        sys.exit(os.EX_CONFIG)
    if command == "migrate":
        migrate(PREFIXES[package])
    elif command == "bootstrap":
        keys = [words[1], *(word.partition("=")[2] for word in words[3::2])]
        for key in keys[1 if os.environ.get("STAND_IN_HAS_ADMINISTRATOR") else 0 :]:
            Path(key).write_text("lodge_key_of_a_stand_in\n")
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print(f"2026-01-01T00:00:00Z [warning  ] {package} {command} begins", flush=True)
        serve(int(os.environ[f"{PREFIXES[package]}_PORT"])) if command == "serve" else signal.pause()


def migrate(prefix: str) -> None:
    """Count in the database how often it was migrated."""
    import psycopg  # noqa: PLC0415 - the others start without it

    url = (Path(os.environ["LODGE_SECRETS_DIR"]) / f"{prefix.lower()}_database_url").read_text().strip()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS migrated (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO migrated DEFAULT VALUES")


def serve(port: int) -> None:
    """Answer 200 to everything, in the shape of who has all rights; each answer is said as the services log theirs."""
    rights = json.dumps({"permissions": {f"{name}.subscribe": "*" for name in ("access", "enquiry", "release")}})

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            print(f"2026-01-01T00:00:00Z [info     ] request {self.path}", flush=True)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(rights.encode())

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Answer).serve_forever()
