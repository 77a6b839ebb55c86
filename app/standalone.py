"""A component as one HTML file that works with the network off."""

import base64
import gzip
import html
import json
from collections.abc import Mapping

from app.components.sources import markup, mount, read_parts, script, style
from app.export import picture_title
from app.figures.page_policy import policy_element
from app.figures.svg import clean


def standalone_html(component: str, message: bytes, provenance: Mapping) -> bytes:
    """Return one HTML page that draws a component with the network off.

    The message travels compressed and as base64, so no token of the text can become markup; the policy forbids every
    outside source, and every script but the page's own.
    """
    title = html.escape(picture_title(provenance))
    # A talk is the whole page and says in itself what it shows.
    heading, footer = (
        ("", "")
        if component == "talk_player"
        else (f"<h1>{title}</h1>", f"<footer>{html.escape(_origin(provenance))}</footer>")
    )
    # "<" never stands in the JSON, so that it cannot close its own script element.
    described = json.dumps(provenance).replace("<", "\\u003c")
    # Without a date inside, the same picture gives the same file.
    packed = base64.b64encode(gzip.compress(message, mtime=0)).decode()
    run = f"""
{script(component)}
const mount = {mount(component)};
{read_parts(("standalone.js",))}
"""
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{policy_element([run])}<title>{title}</title>
<style>{read_parts(("standalone.css",))}{style(component)}</style></head>
<body>{heading}
<main>{markup(component)}</main>
{footer}
<script type="application/json" id="provenance">{described}</script>
<script type="text/plain" id="message">{packed}</script>
<script type="module">{run}</script></body></html>
"""
    return clean(page).encode()


def _origin(provenance: Mapping) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in provenance.get("versions", {}).items())
    parts = [provenance.get("model"), provenance.get("revision"), provenance.get("dtype"), versions]
    return " · ".join(str(part) for part in parts if part)
