"""Every picture in every format, downloaded in a real Chromium and opened again."""

import io
import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pypdf import PdfReader

from app.attention_exports import PICTURES
from tests.browser_actions import canvas_of, download, first_picture

pytestmark = pytest.mark.browser

FORMATS = ("SVG", "PDF", "PNG", "CSV", "NPZ", "HTML")


def download_all(page, picture: str, folder) -> dict[str, bytes]:
    """Choose a picture in the export popover and download each format."""
    page.get_by_role("button", name="Export").click()
    page.get_by_role("radio", name=PICTURES[picture], exact=True).click()
    paths = [download(page, picture, extension, folder) for extension in FORMATS]
    return {path.name: path.read_bytes() for path in paths}


def by_format(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name.rsplit(".", 1)[1].upper(): data for name, data in files.items()}


@pytest.mark.parametrize("picture", ["heatmap", "links"])
def test_head_downloads(server, tab, tmp_path, picture):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    files = download_all(tab, picture, tmp_path)
    assert set(files) == {f"headscope_minilm_L3-H1_{picture}.{extension.lower()}" for extension in FORMATS}
    data = by_format(files)
    assert "animal" in "".join(ElementTree.fromstring(data["SVG"]).itertext())
    reader = PdfReader(io.BytesIO(data["PDF"]))
    assert len(reader.pages) == 1
    assert json.loads(reader.metadata["/Subject"])["model"] == "minilm"
    image = Image.open(io.BytesIO(data["PNG"]))
    assert json.loads(image.text["Provenance"])["picture"]["head"] == 1
    frame = pd.read_csv(io.BytesIO(data["CSV"]))
    row = frame[(frame.query_token == "it") & (frame.key_token == "animal")]
    assert row.weight.item() == pytest.approx(0.6768, abs=1e-3)
    with np.load(io.BytesIO(data["NPZ"])) as arrays:
        assert arrays["weights"].shape == (16, 16)
        assert arrays["weights"][10, 2] == pytest.approx(row.weight.item(), abs=1e-6)


def test_grid_downloads(server, tab, tmp_path):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    data = by_format(download_all(tab, "grid", tmp_path))
    assert len(pd.read_csv(io.BytesIO(data["CSV"]))) == 6 * 12 * 16 * 16
    with np.load(io.BytesIO(data["NPZ"])) as arrays:
        assert arrays["layer_3"].shape == (12, 16, 16)
        assert arrays["layer_3"][1, 10, 2] == pytest.approx(0.6768, abs=1e-3)
    assert data["PDF"].startswith(b"%PDF")


@pytest.mark.parametrize(("picture", "component"), [("heatmap", "head_view"), ("grid", "head_grid")])
def test_html_opens_with_the_network_off(server, tab, tmp_path, chromium, picture, component):
    tab.goto(server)
    first_picture(tab, "L3 H1")
    name = next(name for name in download_all(tab, picture, tmp_path) if name.endswith(".html"))
    context = chromium.new_context(offline=True)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto((tmp_path / name).as_uri())
    page.wait_for_selector(".headscope[data-draw-milliseconds]")
    drawn = canvas_of(page, component).evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert drawn > 20
    assert not problems
    context.close()
