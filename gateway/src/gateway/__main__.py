"""`python -m gateway serve`."""

import argparse
import os
import signal
import sys
from typing import NoReturn

from pydantic import ValidationError

from gateway.app import create_app
from gateway.server import Server, server_config
from gateway.settings import GatewaySettings
from lodge_kit import logs


def main() -> None:
    """Serve until SIGTERM or Ctrl-C, then let the requests under way end."""
    parser = argparse.ArgumentParser(prog="gateway", description="The one door to Lodge's services.")
    parser.add_subparsers(dest="verb", required=True).add_parser("serve", help="take requests")
    parser.parse_args()
    try:
        settings = GatewaySettings.from_environment()
        logs.set_up("gateway", form=settings.log_format)
        app = create_app(settings)
    except ValidationError as error:
        _stop(
            "; ".join(
                _sentence(one["msg"], *one["loc"]) for one in error.errors(include_url=False, include_input=False)
            )
        )
    except ValueError as error:
        _stop(str(error))
    # uvicorn sends itself the signal again once it has drained: that end is a good one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    Server(server_config(app, settings, settings.read_config())).run()


def _sentence(message: str, *place: int | str) -> str:
    """Name the setting as the operator writes it; never its value."""
    message = message.removeprefix("Value error, ")
    if not place:
        return message
    name = str(place[0])
    return f"{name if name.startswith('LODGE_') else f'LODGE_GATEWAY_{name.upper()}'}: {message.lower()}."


def _stop(reason: str) -> NoReturn:
    print(f"Settings: {reason}", file=sys.stderr)
    raise SystemExit(os.EX_CONFIG)  # of sysexits(3): to try again changes nothing


if __name__ == "__main__":
    main()
