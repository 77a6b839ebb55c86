"""Imports go one way, each tool has one place, and nothing runs code from a file: read from the source itself."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path.relative_to(ROOT).as_posix() for folder in ("model", "app", "pages") for path in (ROOT / folder).rglob("*.py")
)
HOOK = re.compile(r"register_(module_)?(full_)?(forward|backward|state_dict|load_state_dict)\w*_hook")
VAGUE = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}


def imports(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names that a file imports, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.split("/")[: -node.level] if node.level else []
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def names(tree: ast.AST) -> Iterator[str]:
    """Yield every name and attribute that the code uses or imports; strings and comments are not code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.name.split(".")[-1]


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def never_imports(*packages):
    def check(path, tree):
        return [name for name in imports(path, tree) for package in packages if f"{name}.".startswith(f"{package}.")]

    return check


def never_uses(pattern):
    def check(_path, tree):
        return [name for name in names(tree) if re.fullmatch(pattern, name)]

    return check


def never_runs_a_file(path, tree):
    found = never_imports("pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve")(path, tree)
    found += [name for name, _ in calls(tree) if name in ("eval", "exec", "torch.load", "pd.read_pickle", "np.load")]
    return found + [
        keyword.arg
        for _, call in calls(tree)
        for keyword in call.keywords
        if (keyword.arg in ("trust_remote_code", "allow_pickle") and ast.unparse(keyword.value) != "False")
        or (keyword.arg in ("weights_only", "use_safetensors") and ast.unparse(keyword.value) != "True")
    ]


def vague_name(path, _tree):
    return [part for part in re.split(r"[/_.]", path) if part in VAGUE]


def everywhere(_path):
    return True


def inside(*beginnings):
    return lambda path: path.startswith(beginnings)


def outside(*paths):
    return lambda path: path not in paths


# Rule: where it holds, what it finds, and a file that breaks it.
RULES = {
    "model knows no interface": (
        inside("model/"), never_imports("streamlit", "plotly", "altair", "app", "pages"),
        {"model/a.py": "def f():\n    import streamlit as st", "model/analysis/b.py": "from app.state import Selection",
         "model/c.py": "import plotly.graph_objects", "model/d.py": "from altair import Chart",
         "model/analysis/e.py": "from ...app import state", "model/f.py": "import pages"},
    ),
    "app knows no page": (
        inside("app/"), never_imports("pages"),
        {"app/a.py": "from pages import attention", "app/figures/b.py": "import pages.attention"},
    ),
    "figures and exports are made without streamlit or torch": (
        inside("app/figures/", "app/export.py"), never_imports("streamlit", "torch"),
        {"app/figures/a.py": "import torch.nn", "app/export.py": "from streamlit import download_button"},
    ),
    "one user of the session state": (
        outside("app/state.py"), never_uses("session_state"),
        {"app/a.py": "import streamlit as st\nst.session_state['a'] = 1", "pages/b.py": "from streamlit import session_state"},
    ),
    "one user of streamlit's caches": (
        outside("app/cache.py"), never_uses("cache_data|cache_resource|experimental_memo|experimental_singleton"),
        {"app/a.py": "@st.cache_data\ndef f(): ...", "pages/b.py": "from streamlit import cache_resource as keep"},
    ),
    "two files stand between a model and its attention": (
        # Our own architectures call their attention as every model of transformers does.
        outside("model/attention_interface.py", "model/module_hooks.py", "model/architectures/attention.py"),
        never_uses(rf"AttentionInterface|AttentionMaskInterface|ALL_ATTENTION_FUNCTIONS|{HOOK.pattern}"),
        {"model/a.py": "from transformers import AttentionInterface", "app/b.py": "module.register_forward_hook(print)",
         "model/c.py": "block.register_forward_pre_hook(print)", "model/d.py": "layer.register_full_backward_hook(print)"},
    ),
    "no file runs code": (
        everywhere, never_runs_a_file,
        {"app/a.py": "import pickle", "model/b.py": "from torch import load\nimport torch\ntorch.load(path)",
         "model/c.py": "AutoModel.from_pretrained(name, trust_remote_code=True)", "pages/d.py": "value = eval(text)",
         "model/e.py": "AutoModel.from_pretrained(name, trust_remote_code=trusted)", "app/f.py": "exec(code)",
         "model/g.py": "np.load(path, allow_pickle=True)", "model/h.py": "kind.from_pretrained(x, use_safetensors=None)"},
    ),
    "no pyplot, which keeps its figures": (
        everywhere, never_imports("matplotlib.pyplot", "pylab"),
        {"app/a.py": "import matplotlib.pyplot as plt", "app/figures/b.py": "from matplotlib import pyplot"},
    ),
    "modules are named after what they are about": (
        everywhere, vague_name,
        {"model/utils.py": "", "app/helpers/a.py": "", "model/text_utils.py": "", "app/manager.py": "", "pages/common.py": ""},
    ),
}  # fmt: skip


def problems(rule: str, path: str, source: str) -> list[str]:
    holds, check, _ = RULES[rule]
    return check(path, ast.parse(source)) if holds(path) else []


@pytest.mark.parametrize("rule", RULES)
def test_rule_holds(rule):
    found = {path: problems(rule, path, (ROOT / path).read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: names for path, names in found.items() if names} == {}


BROKEN = [(rule, path, source) for rule, (_, _, files) in RULES.items() for path, source in files.items()]


@pytest.mark.parametrize(("rule", "path", "source"), BROKEN)
def test_rule_finds_what_breaks_it(rule, path, source):
    assert problems(rule, path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("model/a.py", '"""Not a use: streamlit, pickle, eval(x), AttentionInterface."""\nmodel.eval()\nimport torch'),
        ("model/application.py", "from model.applied import pagesize"),
        ("model/b.py", "AutoModel.from_pretrained(name, trust_remote_code=False, use_safetensors=True)"),
        ("app/state.py", "import streamlit as st\nst.session_state"),
        ("app/cache.py", "import streamlit as st\n@st.cache_resource\ndef f(): ..."),
        ("app/figures/a.py", "import numpy as np\nfrom matplotlib.figure import Figure"),
        (
            "model/attention_interface.py",
            "from transformers import AttentionInterface\nblock.register_forward_hook(print)",
        ),
        ("pages/a.py", "from app import state\nimport streamlit as st"),
    ],
)
def test_rules_leave_alone_what_is_right(path, source):
    assert {rule: problems(rule, path, source) for rule in RULES if problems(rule, path, source)} == {}


def test_there_is_something_to_check():
    assert {"model/__init__.py", "model/attention_interface.py", "model/analysis/views.py"} <= set(SOURCES)
    assert {path.split("/")[0] for path in SOURCES} == {"model", "app", "pages"}
    places = {"session_state": "app/state.py", "cache_resource": "app/cache.py", "register_forward_hook": None}
    for name, path in places.items():
        source = (ROOT / (path or "model/attention_interface.py")).read_text(encoding="utf-8")
        assert name in set(names(ast.parse(source)))


def heavy_after(statement: str) -> set[str]:
    heavy = "{'torch', 'transformers', 'streamlit', 'pandas', 'matplotlib'}"
    command = [sys.executable, "-c", f"import sys; {statement}; print(*({heavy} & set(sys.modules)))"]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_library_is_quick():
    assert heavy_after("import model, model.catalog, model.errors, model.tokens") == set()
    assert {"torch", "transformers"} <= heavy_after("from model import record")
