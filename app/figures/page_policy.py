"""The Content-Security-Policy of an exported page: nothing from outside it, and no script but its own."""

import base64
import hashlib
import html
from collections.abc import Sequence


def policy_element(scripts: Sequence[str], also: str = "", **rules: str) -> str:
    """Return the meta element of the policy: of scripts those alone that stand in the page, each named by its hash.

    So an attribute or an element that a text should ever bring into the page runs nothing and fetches nothing. `also` is
    what scripts may be beside that, `rules` are further directives (worker_src="blob:").
    """
    named = " ".join([*(f"'sha256-{_digest(script)}'" for script in scripts), *also.split()])
    directives = {
        "default-src": "'none'", "script-src": named, "style-src": "'unsafe-inline'", "img-src": "data:",
        "base-uri": "'none'", "form-action": "'none'", **{name.replace("_", "-"): value for name, value in rules.items()},
    }  # fmt: skip
    content = "; ".join(f"{name} {value}" for name, value in directives.items())
    return f'<meta http-equiv="Content-Security-Policy" content="{html.escape(content, quote=False)}">'


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
