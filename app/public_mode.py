"""What this server allows whoever visits it, read once from its options and the environment; no streamlit.

`streamlit run app -- --public` serves listed models only, reads no path that a visitor names, and bounds what each may ask.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from app import server_explanations as explanations
from model.catalog import BUNDLED
from model.errors import HeadscopeError

ENTRY = "streamlit_app.py"
# What a public server allows where its options say nothing else.
PUBLIC_UPLOAD_MEGABYTES, PUBLIC_TOKENS, PUBLIC_REQUESTS = 20, 512, 60
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Limits:
    """What is allowed. `models` may be opened (empty: any, folders and the hub included); `upload_megabytes` bound a file.

    `tokens` bound one text and `requests` the runs of a model in a minute and session; None is no bound of the server's own.
    """

    public: bool = False
    models: tuple[str, ...] = ()
    upload_megabytes: int | None = None
    tokens: int | None = None
    requests: int | None = None

    def check_model(self, name: str, revision: str = "", device: str = "auto", dtype: str = "auto") -> None:
        """Refuse a model that is not listed, or one that is not taken as it is; raises HeadscopeError."""
        if not self.public:
            return
        if name not in self.models:
            raise HeadscopeError(explanations.MODELS_LISTED.format(models=", ".join(self.models)))
        if (revision, device, dtype) != ("", "auto", "auto"):
            raise HeadscopeError(explanations.MODEL_AS_IT_IS)

    def limited(self, loaded):
        """Return a loaded model that takes at most as many tokens as one text may have."""
        if self.tokens is None:
            return loaded
        own = loaded.position_limit
        return replace(loaded, position_limit=self.tokens if own is None else min(own, self.tokens))

    def megabytes(self, most: int) -> int:
        """Return the megabytes that a file may have where the app itself takes `most`."""
        return most if self.upload_megabytes is None else min(most, self.upload_megabytes)

    def check_upload(self, name: str, nbytes: int) -> None:
        """Refuse a file above the bound, whatever the browser let through; raises HeadscopeError."""
        if self.upload_megabytes is not None and nbytes > self.upload_megabytes * 2**20:
            raise HeadscopeError(
                explanations.UPLOAD_TOO_LARGE.format(name=name, megabytes=nbytes / 2**20, most=self.upload_megabytes)
            )


@lru_cache(maxsize=1)
def limits() -> Limits:
    """Return what this server allows; raises HeadscopeError where its options are wrong, so that nothing is served then."""
    # Behind another program, as in a test, the arguments are that program's.
    own = bool(sys.argv) and Path(sys.argv[0]).name == ENTRY
    return read_limits(sys.argv[1:] if own else [], os.environ)


def read_limits(arguments: Sequence[str], environment: Mapping[str, str]) -> Limits:
    """Return the limits that options and environment say, options first; raises HeadscopeError with what to write instead."""
    given = _parsed(arguments)
    public = given.public or _switch(environment.get("HEADSCOPE_PUBLIC", ""))
    chosen = {
        name: getattr(given, name) or environment.get(f"HEADSCOPE_{name.upper()}", "")
        for name in ("models", "upload_megabytes", "tokens", "requests")
    }
    if not public:
        if any(chosen.values()):
            names = ", ".join(_option(name) for name, value in chosen.items() if value)
            raise HeadscopeError(
                f"{names} goes with --public, which bounds what visitors may do. Add it, or leave both out."
            )
        return Limits()
    models = tuple(name.strip() for name in chosen["models"].split(",") if name.strip()) or tuple(BUNDLED)
    return Limits(
        public=True,
        models=models,
        upload_megabytes=_number("upload_megabytes", chosen, PUBLIC_UPLOAD_MEGABYTES),
        tokens=_number("tokens", chosen, PUBLIC_TOKENS),
        requests=_number("requests", chosen, PUBLIC_REQUESTS),
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise HeadscopeError(f"The options after “--” are wrong: {message}. {self.format_usage().strip()}")


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="streamlit run app --", add_help=False, allow_abbrev=False)
    parser.add_argument("--public", action="store_true")
    parser.add_argument("--models", default="")
    for name in ("upload_megabytes", "tokens", "requests"):
        parser.add_argument(_option(name), default="", dest=name)
    return parser.parse_args(list(arguments))


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _switch(value: str) -> bool:
    if value.strip().lower() in _TRUE + _FALSE:
        return value.strip().lower() in _TRUE
    raise HeadscopeError(f"HEADSCOPE_PUBLIC is “{value}”. Write 1 for a public server, or 0.")


def _number(name: str, chosen: Mapping[str, str], default: int) -> int:
    value = chosen[name].strip()
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and 0 < int(value) <= 10**6):
        raise HeadscopeError(f"{_option(name)} is “{value}”. Write a whole number from 1 to 1000000.")
    return int(value)
