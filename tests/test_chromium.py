"""The order in which a Chromium is looked for, and what happens when there is none."""

import sys
from pathlib import Path

import pytest

from tests import chromium

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in browsers are shell scripts")


def write_program(folder: Path, name: str, status: int = 0) -> str:
    """Write a program that ends with this status; return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho Chromium 1.2.3\nexit {status}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any browser: an empty folder as PATH, and nothing downloaded by Playwright."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.delenv(chromium.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(chromium.sys, "platform", "linux")
    return folder


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Record the installing commands in place of running them."""
    recorded: list[tuple[str, ...]] = []
    monkeypatch.setattr(chromium, "_run", recorded.append)
    return recorded


def test_nothing_is_found_on_a_bare_machine(bare_machine: Path) -> None:
    assert chromium.find_chromium() is None


@pytest.mark.parametrize("name", chromium.NAMES_ON_PATH)
def test_every_name_on_path_is_found(bare_machine: Path, name: str) -> None:
    path = write_program(bare_machine, name)
    assert chromium.find_chromium() == path


def test_chromium_comes_before_chrome(bare_machine: Path) -> None:
    write_program(bare_machine, "google-chrome")
    path = write_program(bare_machine, "chromium")
    assert chromium.find_chromium() == path


def test_a_shell_without_a_browser_is_passed_over(bare_machine: Path) -> None:
    write_program(bare_machine, "chromium-browser", status=1)
    path = write_program(bare_machine, "google-chrome")
    assert chromium.find_chromium() == path


def test_the_environment_comes_first(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(bare_machine, "chromium")
    path = write_program(bare_machine.parent, "named")
    monkeypatch.setenv(chromium.ENVIRONMENT_VARIABLE, path)
    assert chromium.find_chromium() == path


def test_a_wrong_name_in_the_environment_is_an_error(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_program(bare_machine, "chromium")
    monkeypatch.setenv(chromium.ENVIRONMENT_VARIABLE, "no-such-browser")
    assert chromium.main() == 1
    assert "no-such-browser" in capsys.readouterr().err


def test_a_mac_app_bundle_is_found(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium.sys, "platform", "darwin")
    monkeypatch.setattr(chromium, "MAC_APPS", ("Headscope Browser",))
    path = write_program(bare_machine.parent / "Applications/Headscope Browser.app/Contents/MacOS", "Headscope Browser")
    assert chromium.find_chromium() == path


def test_windows_program_folders_are_searched(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_program(bare_machine.parent / "Program Files/Google/Chrome/Application", "chrome.exe")
    monkeypatch.setenv("PROGRAMFILES", str(bare_machine.parent / "Program Files"))
    monkeypatch.setattr(chromium, "NAMES_ON_PATH", ())
    monkeypatch.setattr(chromium.sys, "platform", "win32")
    assert chromium.find_chromium() == path


def test_a_playwright_download_is_found_last(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_program(bare_machine.parent / "playwright", "chrome")
    monkeypatch.setattr(chromium, "PLAYWRIGHT_PATH", f"print({path!r})")
    assert chromium.find_chromium() == path
    installed = write_program(bare_machine, "microsoft-edge")
    assert chromium.find_chromium() == installed


def test_playwright_names_a_path_under_its_browsers_folder(bare_machine: Path) -> None:
    printed = chromium._output((sys.executable, "-c", chromium.PLAYWRIGHT_PATH))
    assert printed is not None
    assert Path(printed.strip()).is_relative_to(bare_machine.parent / "playwright")


def test_root_installs_the_package_after_playwright_fails(
    bare_machine: Path, commands: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(bare_machine, "apt-get")
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 0)
    assert chromium.install_chromium() is None
    assert commands[0][1:] == ("-m", "playwright", "install", "chromium")
    assert [command[2:4] for command in commands[1:]] == [("apt-get", "update"), ("apt-get", "install")]


@pytest.mark.parametrize(("sudo_status", "expected"), [(0, ("sudo", "-n")), (1, None)])
def test_sudo_is_used_only_without_a_password(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, sudo_status: int, expected: tuple[str, ...] | None
) -> None:
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 1000)
    write_program(bare_machine, "sudo", status=sudo_status)
    assert chromium._administrator_prefix() == expected


def test_the_command_prints_only_the_path(bare_machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_program(bare_machine, "chromium")
    assert chromium.main() == 0
    assert capsys.readouterr().out == f"{path}\n"


def test_the_command_says_what_to_do_when_nothing_helps(
    bare_machine: Path, commands: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert chromium.main() == 1
    assert commands, "it tried to install one"
    assert capsys.readouterr() == ("", f"{chromium.NOT_FOUND}\n")
