"""What the README says can be done."""

import re
import subprocess
import sys

from tests.app_session import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_snippet_runs(tmp_path):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "0.68"
    assert lines[1:] == [f"encoder {layer} 12 lazy" for layer in range(6)]
    assert (tmp_path / "animal.safetensors").stat().st_size > 100_000


def test_commands_and_files_that_it_names_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make (\w+)", README)) - {"a"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in re.findall(r'\]\((?!http)([^)]+)\)|(?:src|srcset)="([^"]+)"', README):
        assert (ROOT / "".join(path)).is_file(), path
    for module in re.findall(r"python -m (benchmarks\.\w+|tests\.\w+)", README):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
