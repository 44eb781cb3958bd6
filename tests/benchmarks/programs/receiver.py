"""Takes webhooks on PORT and answers 204, looking at nothing."""

import sys

from aiohttp import web


async def take(request: web.BaseRequest) -> web.Response:
    """Take one."""
    await request.read()
    return web.Response(status=200 if request.method == "GET" else 204)


async def app() -> web.Application:
    """Make the app."""
    made = web.Application()
    made.router.add_route("*", "/{path:.*}", take)
    return made


if __name__ == "__main__":
    web.run_app(app(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
