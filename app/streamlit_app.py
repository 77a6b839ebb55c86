"""The entry: `streamlit run app`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402 - the path comes first

from app import panels, progress, sidebar, state  # noqa: E402
from app.navigation import PAGES  # noqa: E402

st.set_page_config(
    page_title="Headscope", page_icon=str(ROOT / "app" / "icon.png"), layout="wide", initial_sidebar_state=240
)
panels.page_style()
page = st.navigation(
    [
        st.Page(f"../pages/{row.file}", title=row.title, url_path=row.url_path, default=index == 0)
        for index, row in enumerate(PAGES)
    ],
    position="top",
)
progress.session_work().enter(page.url_path)
progress.cancel_button()
with panels.guarded():
    sidebar.check_model()
sidebar.model_picker()
state.publish()
page.run()
