"""What the newer pages export: every picture in every format, with its origin and the numbers of the page."""

import io
import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from app import exporting
from app.figures.theme import theme
from model import load_model, record
from model.study.results import shipped_study
from tests.app_session import notices, open_page

PAGES = {
    "roles": ("heads", {"score": "entropy"}, {"grid", "scatter"}),
    "similar heads": ("heads", {"heads_view": "similar heads"}, {"map"}),
    "interventions": ("heads", {"heads_view": "interventions", "edits": "L2H4:off"}, {"moved", "head"}),
    "maps": ("compare", {"compare": "sentences"}, {"maps"}),
    "through the layers": ("compare", {"compare_view": "through the layers"}, {"A L3 H1", "B L4 H3"}),
    "dimensions": ("states", {}, {"states"}),
    "norms": ("states", {"states_view": "norms"}, {"norms"}),
    "similarity": ("states", {"states_view": "similarity"}, {"tokens", "layers", "anisotropy"}),
    "contexts": ("states", {"states_view": "contexts"}, {"parting"}),
    "trajectories": ("states", {"states_view": "trajectories"}, {"paths"}),
    "lens": ("states", {"states_view": "logit lens", "model": "small-decoder"}, {"lens"}),
    "flow": ("flow", {}, {"maps", "mixing"}),
    "routes": ("flow", {"flow_view": "routes"}, {"routes"}),
    "fidelity": (
        "flow",
        {"flow_view": "fidelity", "text": "The dog ran home."},
        {"fidelity, this text", "fidelity, 300 sentences"},
    ),
    "why": ("why", {}, {"chain", "dimensions", "plane"}),
    "layer similarity": ("compare", {"compare_view": "layer similarity"}, {"hidden states", "attention"}),
}


@pytest.fixture
def exported(monkeypatch):
    """Return a function that opens a page and gives the files of each of its pictures, made while the page runs."""

    def made(page: str, selection: dict[str, str]) -> dict[str, dict[str, bytes]]:
        found = {}

        def popover(pictures, files):
            for picture in pictures:
                found[picture] = {kind: make() for kind, make in files(picture, theme("dark")).makers.items()}

        monkeypatch.setattr(exporting, "export_popover", popover)
        session = open_page(**selection)
        found.clear()
        session.switch_page(f"../pages/{page}.py").run(timeout=200)
        assert not session.exception
        assert not notices(session)
        return found

    return made


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_in_every_format(exported, name):
    page, selection, pictures = PAGES[name]
    found = exported(page, selection)
    assert set(found) == pictures
    for name, files in found.items():
        assert {"SVG", "PDF", "PNG"} <= set(files)
        root = ElementTree.fromstring(files["SVG"])
        described = "".join(root.itertext())
        assert selection.get("model", "minilm") in described
        assert json.loads(root.find("{*}metadata").text)["made by"] == "Headscope"
        assert files["PDF"].startswith(b"%PDF")
        assert files["PNG"].startswith(b"\x89PNG")
        # Where points stand in a plane is no number that anybody needs.
        assert "CSV" not in files if name == "plane" else len(pd.read_csv(io.BytesIO(files["CSV"])))


def test_the_grid_of_a_score_in_bits_has_its_own_scale(exported):
    found = exported("heads", {"score": "entropy"})["grid"]
    top = np.nanmax(shipped_study("minilm").grid("encoder", "entropy"))
    assert f"{top:.3f}" in "".join(ElementTree.fromstring(found["SVG"]).itertext())


def test_a_comparison_holds_both_maps_exactly(exported):
    found = exported("compare", {})["maps"]
    trace = record(load_model("minilm", device="cpu"), "The animal didn't cross the street because it was too tired.")
    arrays = np.load(io.BytesIO(found["NPZ"]))
    assert arrays["first"] == pytest.approx(trace.attention(3, 1), abs=1e-6)
    assert arrays["second"] == pytest.approx(trace.attention(4, 3), abs=1e-6)
    assert arrays["difference"] == pytest.approx(arrays["second"] - arrays["first"], abs=1e-7)
    frame = pd.read_csv(io.BytesIO(found["CSV"]))
    assert frame["first"].to_numpy() == pytest.approx(trace.attention(3, 1).reshape(-1), abs=1e-6)
    assert b"head-comparison" in found["HTML"]
