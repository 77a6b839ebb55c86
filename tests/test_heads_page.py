"""The Heads page from the entry: scores, roles with evidence, similar heads, heads switched off, importance."""

import html
import json

import numpy as np
import pytest

from app import engine, heads_engine
from app.edits import single_edits, taken, toggled_edit
from app.head_frames import place_of, roles_of
from app.selection import Selection
from model import load_model, record
from model.analysis.attention_change import attention_change
from model.errors import HeadscopeError
from model.interventions import parse_interventions
from model.study.results import shipped_study, write_study
from model.study.single import study_of_trace
from tests.app_session import html_of, messages, notices, open_page, unpack

PAGE = "../pages/heads.py"
TEXT = "The animal didn't cross the street because it was too tired."


def heads(**parameters: str):
    session = open_page(**parameters)
    session.switch_page(PAGE).run()
    assert not session.exception
    return session


def grids(session) -> list[dict]:
    """Return the messages of the score grids on the page, in order."""
    found = session.get("bidi_component")
    return [unpack(one.proto.bytes) for one in found if one.proto.component_name.endswith("score_grid")]


def charts(session) -> list[dict]:
    return [json.loads(element.proto.spec) for element in session.get("vega_lite_chart")]


def test_the_page_is_full_at_first_start():
    session = heads()
    assert not notices(session)
    study = shipped_study("minilm")
    grid = grids(session)[0]
    assert grid["values"] == pytest.approx(study.grid("encoder", "first token"), abs=1e-6)
    assert grid["limit"] == 1.0
    assert not grid["diverging"]
    assert len(charts(session)) == 1
    assert "head_view" in messages(session)
    assert f"{study.run['texts']} texts" in html_of(session)


def test_this_text_gives_the_scores_of_its_own_trace_and_no_roles():
    session = heads(measured_on="this text", score="entropy")
    assert not notices(session)
    expected = study_of_trace(record(load_model("minilm", device="cpu"), TEXT)).grid("encoder", "entropy")
    grid = grids(session)[0]
    assert grid["values"] == pytest.approx(expected, abs=1e-5)
    assert grid["limit"] == pytest.approx(expected.max(), abs=1e-5)
    assert "no evidence of a role" in html_of(session)
    assert 'class="badge"' not in html_of(session)


def test_every_role_on_the_page_names_its_evidence():
    study = heads_engine.kept(shipped_study("minilm"), "shipped")
    roles = roles_of(study.labels, "encoder")
    assert roles
    (layer, head), found = next(iter(roles.items()))
    session = heads(layer=str(layer), head=str(head))
    shown = html_of(session)
    for label in found:
        assert label.name in shown
        evidence = (
            f"<td>{label.value:.3f}</td><td>[{label.low:.3f}, {label.high:.3f}]</td><td>{label.baseline:.3f}</td>"
            f"<td>{label.count:,}</td><td>{label.texts:,}</td>"
        )
        assert f"<td>{label.name}</td>{evidence}" in shown
        assert html.escape(label.rule) in shown


def test_a_score_that_is_not_there_becomes_one_that_is():
    session = heads(score="<script>", score_across="nonsense", colour="nothing", layer="999", head="999")
    assert not notices(session)
    assert "<script>" not in html_of(session)
    assert session.selectbox(key="widget_layer_head").value == (5, 11)


def test_the_table_filters_by_role_and_by_value():
    session = heads(heads_shown="table")
    frame = session.dataframe[0].value
    assert {"head", "role", "value", "low", "high", "baseline", "tokens", "texts"} <= set(frame.columns)
    role = frame.role.iloc[0]
    session.multiselect(key="filter_role").set_value([role]).run()
    assert set(session.dataframe[0].value.role) == {role}
    session.number_input(key="filter_least").set_value(2.0).run()
    assert session.dataframe[0].value.empty


def test_similar_heads_are_listed_from_the_nearest():
    session = heads(heads_view="similar heads", layer="3", head="1")
    assert not notices(session)
    study = shipped_study("minilm")
    own = study.divergence["encoder"][study.heads["encoder"].index((3, 1))]
    nearest = study.heads["encoder"][int(np.argsort(own)[1])]
    rows = html_of(session).split("Heads like L3 H1")[1]
    assert rows.index(f"L{nearest[0]} H{nearest[1]}") < rows.index("</tr><tr><td>L", rows.index("<td>L"))
    assert len(charts(session)) == 1


def test_a_head_that_is_switched_off_changes_the_others():
    session = heads(heads_view="interventions", edits="L2H4+6:off")
    assert not notices(session)
    loaded = load_model("minilm", device="cpu")
    plain = record(loaded, TEXT)
    changed = record(loaded, TEXT, interventions=parse_interventions("L2H4+6:off"))
    done, moved = grids(session)
    assert done["values"][2].nonzero()[0].tolist() == [4, 6]
    assert moved["values"] == pytest.approx(attention_change(plain, changed), abs=1e-5)
    assert moved["values"][:3].max() == pytest.approx(0, abs=1e-6)
    position = {side: [token.text for token in plain.tokens["encoder"]].index(side) for side in ("it", "animal")}
    weight = changed.attention(3, 1)[position["it"], position["animal"]]
    assert f"<td>{weight:.3f}</td>" in html_of(session)
    pair = messages(session)["head_comparison"]
    assert pair["second"] == pytest.approx(changed.attention(3, 1), abs=1e-6)


@pytest.mark.parametrize("edits", ["L99H0:off", "nonsense", "<img src=x onerror=alert(1)>:off", "L0H99:off"])
def test_an_intervention_that_fits_no_head_is_a_sentence(edits):
    session = heads(heads_view="interventions", edits=edits)
    assert len(notices(session)) == 1
    assert "<img" not in html_of(session)
    assert session.text_input(key="widget_edits").value == edits


def test_a_decoder_shows_what_it_expects_with_and_without_a_head():
    session = heads(heads_view="interventions", model="small-decoder", edits="L0:off", layer="1", head="0")
    assert not notices(session)
    assert "Expected at token" in html_of(session)


def test_the_translation_model_shows_what_it_writes():
    session = heads(
        heads_view="interventions", model="transformer-tiny", edits="cross L3:off", stack="cross", text="A dog runs."
    )
    assert not notices(session)
    assert "<td>writes</td>" in html_of(session)


def test_a_recurrent_model_says_why_its_heads_cannot_be_changed():
    session = heads(heads_view="interventions", model="recurrent-search", edits="L0H0:off", text="A dog runs.")
    assert len(notices(session)) == 1


def test_importance_is_measured_when_it_is_asked_for():
    session = heads(heads_view="importance", model="small-decoder", effect_texts="The dog ran away.\nShe sat down.")
    assert not grids(session)
    session.button[[one.label for one in session.button].index("Measure")].click().run(timeout=200)
    assert not session.exception
    assert not notices(session)
    grid = grids(session)[0]
    assert grid["diverging"]
    assert grid["values"].shape == (4, 4)
    assert len(charts(session)) == 2
    again = heads(heads_view="importance", model="small-decoder", effect_texts="The dog ran away.\nShe sat down.")
    assert grids(again), "what was measured is kept"


def test_a_study_of_another_model_is_refused(tmp_path):
    write_study(shipped_study("minilm"), tmp_path / "heads.parquet")
    data = (tmp_path / "heads.parquet").read_bytes()
    assert heads_engine.opened(data, load_model("minilm", device="cpu")).source == "opened"
    with pytest.raises(HeadscopeError, match="Choose that model"):
        heads_engine.opened(data, load_model("small-decoder", device="cpu"))


def test_clicks_write_interventions_and_take_them_back():
    edits = toggled_edit("", (None, 3, 1), "switched off")
    assert edits == "L3H1:off"
    edits = toggled_edit(edits, (None, 3, 2), "uniform")
    assert [str(one) for one in single_edits(edits)] == ["L3H1:off", "L3H2:uniform"]
    assert toggled_edit(edits, (None, 3, 1), "switched off") == "L3H2:uniform"
    halved = toggled_edit(edits, (None, 3, 1), "halved")
    assert [taken(one) for one in single_edits(halved)] == [0.5, 0.5]
    assert [str(one) for one in single_edits("L0H1+3:off,L2:uniform")] == ["L0H1:off", "L0H3:off", "L2:uniform"]


def test_attention_change_is_the_total_variation_by_hand():
    loaded = load_model("minilm", device="cpu")
    plain, other = record(loaded, TEXT), record(loaded, TEXT, interventions=parse_interventions("L1H0:uniform"))
    expected = np.abs(other.attention(1, 0) - plain.attention(1, 0)).sum(axis=1).mean() / 2
    assert attention_change(plain, other)[1, 0] == pytest.approx(expected, abs=1e-6)
    assert attention_change(plain, plain).max() == 0


def test_names_of_heads_read_back():
    assert place_of("L12 H3") == (12, 3)
    assert engine.model_key(Selection())[0] == "minilm"
