"""Find a Chromium for the browser tests, or install one: `python -m tests.chromium` prints its path."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ENVIRONMENT_VARIABLE = "HEADSCOPE_CHROMIUM"
NAMES_ON_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
MAC_APPS = ("Google Chrome", "Chromium", "Microsoft Edge")
WINDOWS_FOLDERS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
WINDOWS_PROGRAMS = (
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
)
PACKAGE_COMMANDS = {
    "apt-get": (("apt-get", "update"), ("apt-get", "install", "-y", "--no-install-recommends", "chromium")),
    "dnf": (("dnf", "install", "-y", "chromium"),),
    "pacman": (("pacman", "-Sy", "--noconfirm", "chromium"),),
    "apk": (("apk", "add", "chromium"),),
}
PLAYWRIGHT_PATH = "import playwright.sync_api as p\nwith p.sync_playwright() as w: print(w.chromium.executable_path)"
INSTALL_SECONDS = 600
NOT_FOUND = (
    "No Chromium was found and none could be installed: install Chromium, Google Chrome or Microsoft Edge, "
    f"or set {ENVIRONMENT_VARIABLE} to the path of one, then run the tests again."
)


def find_chromium() -> str | None:
    """Return the path of a Chromium that starts: the one named in the environment, an installed one, Playwright's."""
    return _named_chromium() or _installed_chromium() or _playwright_chromium()


def install_chromium() -> str | None:
    """Download Playwright's Chromium, or else install the distribution's package; return the path of what works."""
    _run((sys.executable, "-m", "playwright", "install", "chromium"))
    return _playwright_chromium() or _install_package()


def _named_chromium() -> str | None:
    """Return the browser that the environment variable names; a name that does not work is an error, not a miss."""
    name = os.environ.get(ENVIRONMENT_VARIABLE)
    if not name:
        return None
    path = shutil.which(name)
    if path is None or not _starts(path):
        raise FileNotFoundError(f"{ENVIRONMENT_VARIABLE} is set to {name!r}, which is not a browser that starts.")
    return path


def _installed_chromium() -> str | None:
    """Return the first browser of this system's usual places that starts."""
    return next((path for path in _usual_places() if _starts(path)), None)


def _usual_places() -> Iterator[str]:
    """Yield the existing candidates: names on PATH first, then macOS app bundles or Windows program folders."""
    yield from filter(None, map(shutil.which, NAMES_ON_PATH))
    if sys.platform == "darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            yield from (str(folder / f"{app}.app/Contents/MacOS/{app}") for app in MAC_APPS)
    if sys.platform == "win32":
        for folder in filter(None, map(os.environ.get, WINDOWS_FOLDERS)):
            yield from (str(Path(folder, program)) for program in WINDOWS_PROGRAMS)


def _playwright_chromium() -> str | None:
    """Return Playwright's own Chromium if it was downloaded; a child process asks, as a test may hold Playwright."""
    path = (_output((sys.executable, "-c", PLAYWRIGHT_PATH)) or "").strip()
    return path if path and _starts(path) else None


def _starts(path: str) -> bool:
    """Say whether the browser runs: Ubuntu's chromium-browser can be an empty shell that asks for a snap."""
    if not os.path.isfile(path):
        return False
    # On Windows `--version` opens a window, and there is no such shell to fear.
    return sys.platform == "win32" or _output((path, "--version")) is not None


def _output(command: tuple[str, ...]) -> str | None:
    """Return what a quick command prints, None if it fails."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None


def _install_package() -> str | None:
    """Install the distribution's Chromium where this user may do that without being asked for a password."""
    manager = next(filter(shutil.which, PACKAGE_COMMANDS), None)
    prefix = _administrator_prefix()
    if sys.platform != "linux" or manager is None or prefix is None:
        return None
    for command in PACKAGE_COMMANDS[manager]:
        _run((*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *command))
    return _installed_chromium()


def _administrator_prefix() -> tuple[str, ...] | None:
    """Return what to put before a command that needs root: nothing for root, sudo without a password, else None."""
    if getattr(os, "geteuid", lambda: 1)() == 0:
        return ()
    return ("sudo", "-n") if _output(("sudo", "-n", "true")) is not None else None


def _run(command: tuple[str, ...]) -> None:
    """Run an installing command, its output on standard error; whether it worked shows in what is found after."""
    print(f"Installing a Chromium for the tests: {' '.join(command)}", file=sys.stderr, flush=True)
    try:
        subprocess.run(command, stdout=sys.stderr, stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)


def main() -> int:
    """Print the path of a Chromium, installing one if there is none; return the exit status."""
    try:
        path = find_chromium() or install_chromium()
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    print(path or NOT_FOUND, file=sys.stdout if path else sys.stderr)
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
