"""A supplier's feed: Atom as real ones are, with namespaces, HTML content, and dates in several forms."""

from aiohttp import web

_ENTRIES = {
    "10.2.0": """
  <entry>
    <id>tag:meridian.example,2026:release/10.2.0</id>
    <title type="html">Campus Records 10.2.0 &amp;mdash; enrolment changes</title>
    <link rel="alternate" type="text/html" href="https://meridian.example/releases/10.2.0"/>
    <published>2026-11-02T09:00:00+01:00</published>
    <updated>2026-11-03T11:15:00Z</updated>
    <dc:creator>Release desk</dc:creator>
    <content type="html">&lt;p&gt;Adds the &lt;b&gt;enrolment&lt;/b&gt; return.&lt;/p&gt;</content>
  </entry>""",
    "10.10.0": """
  <entry>
    <id>tag:meridian.example,2026:release/10.10.0</id>
    <title>Campus Records 10.10.0</title>
    <link href="https://meridian.example/releases/10.10.0"/>
    <updated>Mon, 16 Nov 2026 18:30:00 GMT</updated>
    <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Statutory changes.</p></div></content>
  </entry>""",
}
VERSIONS = tuple(_ENTRIES)
"""What the feed holds, in the order in which the versions must appear: 10.2.0 is before 10.10.0."""

FEED = f"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/elements/1.1/" xml:lang="en-GB">
  <title>Campus Records: releases</title>
  <id>tag:meridian.example,2026:releases</id>
  <updated>2026-11-16T18:30:00Z</updated>{_ENTRIES["10.10.0"]}{_ENTRIES["10.2.0"]}
</feed>
"""


def app() -> web.Application:
    """Serve the feed, with an ETag as suppliers do."""

    async def feed(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == '"1"':
            return web.Response(status=304)
        return web.Response(text=FEED, content_type="application/atom+xml", headers={"ETag": '"1"'})

    served = web.Application()
    served.router.add_get("/releases.atom", feed)
    return served
