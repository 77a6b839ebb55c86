"""How every head does on real coreference sets: shipped results of the bundled model, or measured anew on request."""

import html
from functools import partial

import streamlit as st

from app import engine, explanations, export, exporting, state
from app.drawing import show_in_rows
from app.exporting import Files, picture_makers
from app.figures.leaderboard import accuracy_chart, gap_chart, group_chart
from app.figures.theme import Theme
from app.leaderboard_frames import baselines, gap_sentence, groups_frame, heads_frame, set_name, summary
from app.panels import guarded, notice
from app.progress import progress_bar
from app.public_mode import limits
from model.coreference_records import CoreferenceResults, SetResult
from model.coreference_sets import SETS
from model.loading import LoadedModel


def leaderboard_panel(loaded: LoadedModel) -> None:
    """Draw the choice of set, its figures and charts, and the way to measure a set."""
    results = engine.coreference_results(state.selection())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if results is not None:
            names = list(results.sets)
            if state.selection().example_set not in names:
                state.change(example_set=names[0])
            st.selectbox("Set", names, format_func=set_name, width=240, **state.bound("example_set"))
        exports = st.container(width="content")
        _measure_popover(loaded)
        with st.popover("How to read"):
            st.markdown(explanations.SETS_HOW_TO_READ)
    if results is None:
        notice(explanations.SETS_EMPTY)
        return
    found = results.sets[state.selection().example_set]
    _figures(found)
    show_in_rows(charts(found))
    with exports:
        _export_popover(results, found)
    state.publish()


def _figures(found: SetResult) -> None:
    rows = "".join(
        f"<div><span>{html.escape(who[:1].upper() + who[1:])}</span><b>{html.escape(accuracy)}</b>"
        f"<small>{html.escape(what)}</small></div>"
        for who, accuracy, what in summary(found)
    )
    st.html(f'<div class="figures">{rows}</div>')
    left_out = "; ".join(f"{count} {reason}" for reason, count in found.left_out.items())
    told = [
        f"{found.n} examples from {found.clusters} templates or pages{f', left out: {left_out}' if left_out else ''}.",
        gap_sentence(found),
        *found.warnings,
    ]
    st.html("".join(f'<p class="hint">{html.escape(sentence)}</p>' for sentence in told if sentence))


def charts(found: SetResult) -> dict:
    """Return the charts that a set has, each a function of the theme."""
    chosen = "" if found.held_out is None else found.held_out.name
    heads = heads_frame(found)
    rules = {name: one.accuracy for name, one in baselines(found.baselines).items()}
    made = {"accuracy": lambda look: accuracy_chart(heads, rules, theme=look, chosen=chosen)}
    if "gap" in heads:
        made["gap"] = lambda look: gap_chart(heads.dropna(subset=["gap"]), theme=look, chosen=chosen)
    if found.held_out is not None and found.held_out.by_group:
        made["groups"] = lambda look: group_chart(groups_frame(found.held_out), theme=look)
    return made


def _export_popover(results: CoreferenceResults, found: SetResult) -> None:
    named = {"accuracy": "Accuracy", "gap": "Stereotype gap", "groups": "By group"}
    made = charts(found)

    def files(picture: str, look: Theme) -> Files:
        title = f"{results.model} on {set_name(state.selection().example_set)}: {named[picture].lower()}"
        provenance = export.describe_results(results, title=title, kind=picture)
        svg = partial(export.chart_svg, made[picture](look), title, provenance)
        frame = heads_frame(found) if picture != "groups" else groups_frame(found.held_out)
        makers = picture_makers(svg, provenance) | {"CSV": lambda: export.frame_csv(frame, provenance)}
        return Files(makers, (results.model, "coreference", state.selection().example_set, picture))

    exporting.export_popover({name: named[name] for name in made}, files)


def _measure_popover(loaded: LoadedModel) -> None:
    """Draw the files and the button with which a set is measured with the selected model."""
    with st.popover("Measure a set"):
        name = st.segmented_control("Set", SETS, format_func=set_name, default=SETS[0], key="measure_set") or SETS[0]
        st.caption(explanations.SET_FILES[name])
        files = st.file_uploader(
            "Files of the set", accept_multiple_files=True, key="measure_files", type=["tsv", "txt"],
            max_upload_size=limits().megabytes(50),
        )  # fmt: skip
        folder = ""
        if not limits().public:
            folder = st.text_input("or a folder on this machine", key="measure_folder", placeholder="~/data/winobias")
        if st.button("Measure", type="primary", disabled=not (files or folder.strip())):
            with guarded(), progress_bar("Measuring", patience=0.0, pressed=True) as tell:
                tell(0.0, "Reading the files")
                for file in files or []:
                    limits().check_upload(file.name, file.size)
                given = [(file.name, file.getvalue()) for file in files or []]
                measured = engine.measure_coreference(state.selection(), loaded, name, given, folder.strip(), tell)
            state.change(example_set=next(iter(measured.sets)))
            st.rerun()
