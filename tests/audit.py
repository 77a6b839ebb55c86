"""Known vulnerabilities of the locked packages: `python -m tests.audit` asks PyPI through pip-audit."""

import json
import subprocess
import sys

from tests.lock import LOCK

UNREACHED = "Run make audit again where https://pypi.org and its list of vulnerabilities can be reached."


def verdict(printed: str) -> tuple[int, str]:
    """Return exit status and what to say of pip-audit's JSON: 0 nothing known, 1 something known, 2 not all were asked after.

    pip-audit counts a package that the service does not answer for as skipped, and ends as if all were well.
    """
    try:
        packages = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 2, f"pip-audit could not ask after the packages, so nothing was checked. {UNREACHED}"
    known = [
        f"{entry['name']} {entry['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no version yet'}"
        for entry in packages
        for found in entry.get("vulns", ())
    ]
    if known:
        return 1, "\n".join([*known, "Raise these versions in requirements.txt and run make lock."])
    asked = sum("skip_reason" not in entry for entry in packages)
    if asked < len(packages) or not packages:
        return (
            2,
            f"Only {asked} of {len(packages)} packages could be looked up, with nothing known of them. {UNREACHED}",
        )
    return 0, f"No known vulnerability in {asked} packages."


def main() -> int:
    """Run pip-audit over requirements.lock and say how it ended; return the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip"]
    found = subprocess.run([*command, "--format=json", "--progress-spinner=off"], stdout=subprocess.PIPE, text=True)
    code, sentence = verdict(found.stdout)
    print(sentence)
    return code


if __name__ == "__main__":
    sys.exit(main())
