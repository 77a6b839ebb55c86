"""The lock pins what requirements.txt asks for, with hashes; licences are named; an audit says what it saw."""

import json

import pytest

from tests.audit import verdict
from tests.licences import TABLE, is_copyleft, versions
from tests.lock import APART, LOCK, ROOT, pins, without_torch


def test_the_lock_has_every_requirement_at_its_version():
    asked, locked = (pins(path.read_text(encoding="utf-8")) for path in (ROOT / "requirements.txt", LOCK))
    assert asked.pop("torch")
    assert {name: locked.get(name) for name in asked} == asked


def test_every_locked_file_has_a_hash_and_torch_is_apart():
    text = LOCK.read_text(encoding="utf-8")
    entries = [entry for entry in text.split("\n") if "==" in entry and not entry.startswith((" ", "#"))]
    assert len(entries) > 50
    assert all(entry.endswith("\\") for entry in entries)
    assert text.count("--hash=sha256:") > len(entries)
    assert not [name for name in pins(text) if APART.fullmatch(name)]


def test_torch_and_its_cuda_packages_are_left_out():
    lock = "".join(
        f"{name}==1.0 \\\n    --hash=sha256:0\n    # via x\n" for name in ("a", "nvidia-nccl-cu13", "torch", "torchish")
    )
    assert pins(without_torch(lock)) == {"a": "1.0", "torchish": "1.0"}


def test_the_page_of_licences_names_every_package():
    rows = {
        line.split(" | ")[0].strip("| "): line
        for line in TABLE.read_text(encoding="utf-8").splitlines()
        if "| " in line
    }
    assert {name: rows[name].split(" | ")[1] for name in versions()} == versions()
    assert not [name for name in versions() if is_copyleft(rows[name]) != rows[name].endswith("**copyleft** |")]


@pytest.mark.parametrize(
    "said", ["MPL-2.0 AND MIT", "GNU Lesser General Public License v3", "AGPL-3.0-only", "LGPLv2+"]
)
def test_copyleft_is_seen(said):
    assert is_copyleft(said)


@pytest.mark.parametrize("said", ["MIT", "BSD-3-Clause", "Apache-2.0", "Historical Permission Notice", "HPND"])
def test_other_licences_are_not_copyleft(said):
    assert not is_copyleft(said)


def test_an_audit_that_asked_after_nothing_does_not_say_all_is_well():
    skipped = [{"name": "a", "skip_reason": "not found"}, {"name": "b", "version": "1", "vulns": []}]
    assert verdict(json.dumps({"dependencies": skipped}))[0] == 2
    assert verdict("")[0] == 2
    assert verdict(json.dumps({"dependencies": skipped[1:]})) == (0, "No known vulnerability in 1 packages.")
    vulnerable = {"name": "c", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}
    code, said = verdict(json.dumps({"dependencies": [*skipped, vulnerable]}))
    assert code == 1
    assert "c 1: PYSEC-1, mended in 2" in said
