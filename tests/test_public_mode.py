"""A public server: what it lets visitors open, upload and ask for, from the entry; every refusal is a sentence."""

import re
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from app import cache, progress, public_mode, trace_upload
from app.navigation import PAGES
from app.public_mode import Limits, limits, read_limits
from app.session_work import SessionWork
from app.talks import Scene, Talk
from model import sources
from model.catalog import BUNDLED
from model.errors import HeadscopeError
from model.loading import wrap
from tests.app_session import messages, notices, open_page
from tests.tiny_models import tiny

LISTED = ", ".join(BUNDLED)


@pytest.fixture
def public(monkeypatch):
    """A function that makes this process a public server with some settings; afterwards it is none."""

    def serve(**settings: str) -> Limits:
        monkeypatch.setenv("HEADSCOPE_PUBLIC", "1")
        for name, value in settings.items():
            monkeypatch.setenv(f"HEADSCOPE_{name.upper()}", value)
        _forget()
        return limits()

    yield serve
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    limits.cache_clear()
    cache.models().clear()
    cache.runs().clear()


@pytest.fixture
def looked_for(monkeypatch):
    """The names of models whose files were looked for."""
    found = []
    for name in ("locate", "needs_download"):
        kept = getattr(sources, name)

        def looking(model, *args, kept=kept, **kwargs):
            found.append(model)
            return kept(model, *args, **kwargs)

        monkeypatch.setattr(sources, name, looking)
    monkeypatch.setattr("model.loading.locate", sources.locate)
    return found


def test_without_the_option_everything_is_allowed():
    allowed = read_limits([], {})
    assert allowed == Limits()
    allowed.check_model("/any/folder", "main", "cuda", "bfloat16")
    allowed.check_upload("a.npz", 10**12)
    assert allowed.megabytes(500) == 500
    loaded = wrap(tiny("bert"))
    assert allowed.limited(loaded) is loaded


def test_options_and_environment_say_the_same():
    arguments = [
        "--public",
        "--models",
        "minilm, owner/name",
        "--upload-megabytes",
        "5",
        "--tokens",
        "64",
        "--requests=3",
    ]
    environment = {
        "HEADSCOPE_PUBLIC": "yes", "HEADSCOPE_MODELS": "minilm,owner/name", "HEADSCOPE_UPLOAD_MEGABYTES": "5",
        "HEADSCOPE_TOKENS": "64", "HEADSCOPE_REQUESTS": "3",
    }  # fmt: skip
    expected = Limits(True, ("minilm", "owner/name"), 5, 64, 3)
    assert read_limits(arguments, {}) == read_limits([], environment) == expected
    assert read_limits(["--public", "--tokens", "8"], environment) == replace(expected, tokens=8)
    assert read_limits(["--public"], {}).models == tuple(BUNDLED)
    assert read_limits([], {"HEADSCOPE_PUBLIC": "0"}) == Limits()
    with pytest.raises(FrozenInstanceError):
        expected.public = False


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["--pubic"], {}, "options after “--” are wrong"),
        (["--publi"], {}, "options after “--” are wrong"),
        (["--public", "--tokens"], {}, "options after “--” are wrong"),
        (["--public", "--tokens", "0"], {}, "whole number from 1"),
        (["--public", "--requests", "many"], {}, "--requests is “many”"),
        (["--public", "--upload-megabytes", "-1"], {}, "whole number from 1"),
        (["--models", "minilm"], {}, "--models goes with --public"),
        ([], {"HEADSCOPE_TOKENS": "9"}, "--tokens goes with --public"),
        ([], {"HEADSCOPE_PUBLIC": "si"}, "Write 1 for a public server"),
    ],
)
def test_wrong_options_are_refused_with_a_sentence(arguments, environment, sentence):
    with pytest.raises(HeadscopeError, match=sentence):
        read_limits(arguments, environment)


def test_options_are_read_from_the_command_line_of_the_entry_only(monkeypatch):
    try:
        for program, public in (("/srv/app/streamlit_app.py", True), ("/usr/bin/pytest", False)):
            monkeypatch.setattr(sys, "argv", [program, "--public"])
            limits.cache_clear()
            assert limits().public is public
    finally:
        limits.cache_clear()


def test_with_wrong_options_nothing_is_served(monkeypatch):
    monkeypatch.setenv("HEADSCOPE_PUBLIC", "perhaps")
    limits.cache_clear()
    try:
        session = open_page()
        assert not session.exception
        assert "Write 1 for a public server" in notices(session)[0]
        assert not messages(session)
        assert not session.text_area
    finally:
        monkeypatch.undo()
        limits.cache_clear()


def test_a_listed_model_is_shown_and_what_is_allowed_is_said(public):
    public(tokens="100", requests="50", upload_megabytes="7")
    session = open_page()
    assert not notices(session)
    assert messages(session)["head_view"]["title"] == "L3 H1"
    assert "at most 100 tokens, files of at most 7 MB, 50 requests a minute" in "\n".join(
        one.value for one in session.caption
    )
    assert [box.key for box in session.text_input] == []
    assert {"widget_device", "widget_dtype"} & {box.key for box in session.selectbox} == set()
    session.selectbox(key="widget_model_bundled").select("small-decoder").run()
    assert not notices(session)
    assert session.query_params["model"] == "small-decoder"


@pytest.mark.parametrize(
    "model", ["/etc", "~", "..", "openai-community/gpt2", "C:\\Windows", "minilm/../../etc", "//host/share"]
)
def test_no_address_opens_another_model(public, looked_for, model):
    public()
    session = open_page(model=model)
    assert not session.exception
    assert notices(session) == [f"This server shows only these models: {LISTED}. Choose one of them."]
    assert not messages(session)
    assert looked_for == []


def test_no_page_opens_another_model(public, looked_for):
    public()
    session = open_page(model="/etc")
    for page in PAGES:
        session.switch_page(f"../pages/{page.file}").run()
        assert not session.exception
        assert "shows only these models" in notices(session)[0]
        assert not messages(session)
    assert looked_for == []


@pytest.mark.parametrize("chosen", [{"revision": "refs/pr/1"}, {"device": "cpu"}, {"dtype": "bfloat16"}])
def test_a_listed_model_is_taken_as_it_is(public, looked_for, chosen):
    public()
    session = open_page(model="small-decoder", **chosen)
    assert "chooses revision, device and number type itself" in notices(session)[0]
    assert looked_for == []


def test_a_refused_address_leads_back_to_a_model_that_is_shown(public):
    public()
    session = open_page(model="/etc", text="The nurse thanked the lawyer.")
    next(one for one in session.button if one.label.startswith("Open ")).click().run()
    assert not notices(session)
    assert "nurse" in messages(session)["head_view"]["query_tokens"]


def test_where_the_default_is_not_listed_the_first_model_opens_by_itself(public):
    public(models="small-decoder")
    session = open_page()
    assert not notices(session)
    assert session.query_params["model"] in ("small-decoder", ["small-decoder"])
    session.switch_page("../pages/translation.py").run()
    assert not session.exception
    assert "shows only these models: small-decoder" in notices(session)[0]


def test_a_listed_hub_model_is_asked_for_and_no_other(public, looked_for):
    public(models="minilm,owner/name")
    session = open_page(model="owner/name")
    assert "is not on this machine yet" in notices(session)[0]
    assert set(looked_for) == {"owner/name"}
    assert session.selectbox(key="widget_model_hub").value == "owner/name"
    assert [box.key for box in session.text_input] == []
    assert "shows only" in notices(open_page(model="owner/other"))[0]


def test_the_second_model_of_a_comparison_is_a_listed_one(public, looked_for):
    public()
    session = open_page(compare="models", other_model="/etc")
    session.switch_page("../pages/compare.py").run()
    assert "shows only these models" in notices(session)[0]
    assert "/etc" not in looked_for


def test_a_scene_of_a_talk_opens_no_other_model(public, looked_for):
    public()
    session = open_page()
    session.session_state["talk"] = Talk(scenes=(Scene("attention", "grid", {"model": "/etc"}),))
    session.switch_page("../pages/talk.py").run()
    assert not session.exception
    parts = messages(session)["talk_player"]
    assert "shows only these models" in str(parts)
    assert "/etc" not in looked_for


def test_the_page_that_measures_sets_takes_no_folder(public):
    public()
    session = open_page(view="real sets")
    session.switch_page("../pages/coreference.py").run()
    assert not session.exception
    assert [box.key for box in session.text_input] == []


def test_no_other_line_of_text_is_a_path():
    root = Path(public_mode.__file__).parent
    found = set()
    for path in (*root.rglob("*.py"), *root.parent.joinpath("pages").glob("*.py")):
        labels = re.findall(r"text_input\(\s*\"([^\"]+)\"", path.read_text(encoding="utf-8"))
        assert len(labels) == path.read_text(encoding="utf-8").count("text_input("), path
        found |= set(labels)
    # What is new here must be looked at: a path that a visitor names must not be read by a public server.
    paths = {"Local folder", "or a folder on this machine"}
    assert found - paths == {"Hub id", "Revision", "Changed heads", "Find", "Or a token by itself", "Title"}
    assert paths <= found


def test_beside_it_an_own_server_does_take_a_path():
    session = open_page(view="real sets")
    session.switch_page("../pages/coreference.py").run()
    assert [box.key for box in session.text_input] == ["measure_folder"]


def test_texts_are_bounded_in_tokens_and_may_be_cut(public):
    public(tokens="8")
    session = open_page(text="The animal did not cross the street because it was too tired.")
    assert "tokens and the model takes 8" in notices(session)[0]
    session.button[-1].click().run()
    assert not notices(session)
    assert len(messages(session)["head_view"]["query_tokens"]) == 8


def test_the_smaller_bound_holds(public):
    allowed = public(tokens="40")
    loaded = wrap(tiny("bert"))
    assert loaded.position_limit == 64
    assert allowed.limited(loaded).position_limit == 40
    assert replace(allowed, tokens=100).limited(loaded).position_limit == 64
    assert allowed.limited(replace(loaded, position_limit=None)).position_limit == 40
    assert allowed.limited(loaded).lock is loaded.lock


def test_requests_are_bounded_and_what_is_kept_costs_none(public):
    public(requests="2")
    session = open_page()
    session.text_area(key="widget_text").set_value("The nurse thanked the lawyer.").run()
    assert not notices(session)
    session.selectbox(key="widget_layer").select(5).run()
    assert not notices(session)
    session.text_area(key="widget_text").set_value("It rains.").run()
    assert notices(session) == [
        "This server runs at most 2 requests a minute for each visitor. Wait a moment, then try again."
    ]
    assert session.text_area(key="widget_text").value == "It rains."
    # Another visitor has requests of its own.
    assert not notices(open_page(text="It snows."))


def test_a_minute_later_there_are_requests_again():
    work = SessionWork()
    assert [work.may_ask(2, now) for now in (0.0, 30.0, 59.9, 60.0, 61.0, 90.0)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]
    assert all(work.may_ask(None, now) for now in range(1000))


def test_files_are_bounded_also_where_the_browser_let_them_through(public):
    allowed = public(upload_megabytes="3")
    assert (allowed.megabytes(500), allowed.megabytes(2)) == (3, 2)
    allowed.check_upload("a.npz", 3 * 2**20)
    with pytest.raises(HeadscopeError, match=r"“a\.npz” has 3\.1 MB, and this server takes files of at most 3 MB"):
        allowed.check_upload("a.npz", int(3.1 * 2**20))
    session = open_page()
    next(one for one in session.get("button_group") if one.key == "widget_source").set_value("file").run()
    assert [one.proto.max_upload_size_mb for one in session.get("file_uploader")] == [3]


def test_a_file_that_is_too_large_is_refused_before_it_is_read(public, monkeypatch):
    public(upload_megabytes="1")

    class File:
        name, size, file_id = "weights.npz", 5 * 2**20, "a"

        def getvalue(self):
            raise AssertionError("read")

    monkeypatch.setattr(trace_upload.st, "file_uploader", lambda *_args, **_named: File())
    with pytest.raises(HeadscopeError, match="at most 1 MB"):
        trace_upload.opened_run()


def test_what_was_cancelled_is_not_begun_again_until_it_is_asked_for():
    work = SessionWork()
    work.enter("attention")
    begun = work.begin("Running the model", "a sentence")
    work.cancel()
    assert work.is_cancelled("Running the model", "a sentence")
    assert not work.is_cancelled("Loading the model", "a sentence")
    assert work.is_cancelled("Running the model", "a sentence")
    work.ask_again()
    assert not work.is_cancelled("Running the model", "a sentence")
    work.cancel()
    # Something else under the same name, or another page, takes it back.
    assert not work.is_cancelled("Running the model", "another")
    assert not work.is_cancelled("Running the model", "a sentence")
    work.cancel()
    work.enter("flow")
    assert not work.is_cancelled("Running the model", "a sentence")
    work.end(begun, None)
    assert work.begun is None


def test_work_of_a_run_that_was_stopped_does_not_end_what_began_after_it():
    work = SessionWork()
    old = work.begin("Running the model", "a")
    new = work.begin("Running the model", "a")
    work.end(old, None)
    assert work.begun is new


def test_the_page_says_what_was_cancelled_and_runs_it_again():
    session = open_page(text="The lawyer thanked the nurse.")
    own = session.session_state["opened_work"]
    own.begin("Running the model", session.session_state["selection"])
    own.cancel()
    session.run()
    assert notices(session) == ["Cancelled. What you typed is kept."]
    assert session.text_area(key="widget_text").value == "The lawyer thanked the nurse."
    assert not messages(session)
    next(one for one in session.button if one.label == "Run again").click().run()
    assert not notices(session)
    assert messages(session)["head_view"]["query_tokens"][1] == "the"


def test_every_bar_of_a_page_can_be_cancelled():
    # The bar is the one place where long work begins, and it is where cancelling is looked at.
    root = Path(public_mode.__file__).parent
    users = [path for path in (*root.rglob("*.py"), *root.parent.joinpath("pages").glob("*.py"))
             if ".progress(" in path.read_text(encoding="utf-8")]  # fmt: skip
    assert [path.name for path in users] == [Path(progress.__file__).name]
