"""What the app imports until its first picture stands: nothing that the first page does not need."""

import json
import subprocess
import sys

import pytest

from tests.app_session import ROOT

# In a process of its own, since this one has imported everything.
FIRST_PAGE = """
import json, sys
import streamlit.web.bootstrap
from streamlit.testing.v1 import AppTest
session = AppTest.from_file("app/streamlit_app.py", default_timeout=120)
of_streamlit = set(sys.modules)
session.run()
assert not session.exception and [one for one in session.get("bidi_component") if "head_view" in one.proto.component_name]
of_page = set(sys.modules) - of_streamlit
session.run()
of_second_run = set(sys.modules) - of_streamlit - of_page
print(json.dumps({"page": sorted(of_page), "again": sorted(of_second_run)}))
"""
# What transformers and torch import by themselves as soon as a model is made: no page could do without.
OF_THE_MODEL = """
import json, sys
import streamlit.web.bootstrap
from streamlit.testing.v1 import AppTest
import torch, numpy, safetensors.torch, psutil, jaxtyping
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertModel, BertTokenizer
print(json.dumps(sorted(sys.modules)))
"""
COLLECTOR = """
import gc, json, weakref
from app.starting import start_torch
start_torch()
class Model: pass
def loaded():
    model = Model()
    model.itself = model
    return weakref.ref(model)
kept = loaded()
gc.collect()
found = {"enabled": gc.isenabled(), "passed over": gc.get_freeze_count() > 100_000, "collected": kept() is None}
print(json.dumps(found))
"""
# Each serves another page, an export or a command.
ELSEWHERE = (
    "altair", "matplotlib", "pandas", "pypdf", "vl_convert", "sacrebleu", "sklearn", "ray", "conllu", "pyarrow",
    "plotly.graph_objects", "plotly.express",
)  # fmt: skip


def _printed(program: str):
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """Return the modules that the first page added to those of Streamlit, and those that a second run added."""
    return _printed(FIRST_PAGE)


def packages(modules: list[str]) -> set[str]:
    """Return what is installed, without the standard library."""
    return {name.split(".")[0] for name in modules if not name.startswith("_")} - sys.stdlib_module_names


def test_what_other_pages_need_is_not_imported(imported):
    # Where Streamlit itself imports one, it cannot be kept away.
    assert [name for name in ELSEWHERE if name in imported["page"]] == []


def test_a_package_is_imported_by_the_page_only_if_the_model_needs_it(imported):
    assert packages(imported["page"]) - packages(_printed(OF_THE_MODEL)) - {"app", "model"} == set()


def test_no_other_page_is_imported(imported):
    panels = {name for name in imported["page"] if name.startswith("app.") and name.endswith("_panel")}
    assert panels <= {"app.attention_panel", "app.text_panel", "app.generation_panel", "app.long_head_panel"}


def test_a_second_run_imports_nothing(imported):
    assert imported["again"] == []


def test_the_collector_passes_over_what_was_there_at_the_start_and_not_over_what_came_later():
    assert _printed(COLLECTOR) == {"enabled": True, "passed over": True, "collected": True}
