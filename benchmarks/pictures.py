"""Pictures in a real Chromium, ours in the running app and peers' as the files that they make: `python -m benchmarks.pictures`.

`--peers PYTHON` names an interpreter that has BertViz, CircuitsVis and Inspectus (requirements-benchmarks.txt);
`--scripts FOLDER` a node_modules with d3 5.7.0, jquery 2.1.0 and requirejs 2.3.6, which BertViz's files otherwise fetch.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.attention_page import LENGTHS, PageTimes, cold_starts, page_times, visit, warm_starts
from benchmarks.budgets import COUNT, MEGABYTES, MILLISECONDS, SECONDS, Figure, Line, Section, table
from benchmarks.course import Course
from tests.app_server import browsing, serving

PEERS = ("BertViz model_view", "BertViz head_view", "CircuitsVis", "Inspectus")
NOT_INSTALLED = "not installed"
PEER_SECONDS = 60
# For starting the Chromium that opens a file.
START_SECONDS = 10
PEER_TOKENS = 128
GRID_MEGABYTES = 0.7
GRID_SECONDS = {128: 0.5, 4096: 1.0}
HEAD_MILLISECONDS = {128: 300, 4096: 300}
COLD_SECONDS, WARM_SECONDS = 10, 1
FILES_NOTE = (
    f"What each makes of 12 x 12 heads of {PEER_TOKENS} tokens as one HTML file, each opened in a new Chromium: its bytes, and "
    f"the time from opening it until its last change was painted, for at most {PEER_SECONDS} s. CircuitsVis's file is the one "
    "for use without a network; the scripts that BertViz's files fetch were given from this machine. BertViz's head_view shows "
    "one layer of 12 heads at a time; the others show all heads."
)


def start_section(course: Course, browser, address: str) -> Section:
    """Return the lines on starting the app."""
    cold = course.measure("cold starts", lambda: statistics.median(cold_starts(browser)))
    starts = course.measure("warm starts", lambda: [*map(statistics.median, warm_starts(browser, address))])
    new, returning = (starts, starts) if isinstance(starts, str) else starts
    loaded = course.measure("packages of the first page", lambda: course.ask("benchmarks.first_page"))
    names = "" if isinstance(loaded, str) or not loaded["own"] else f" ({', '.join(loaded['own'])})"
    count: Figure = loaded if isinstance(loaded, str) else len(loaded["own"])
    brought = "" if isinstance(loaded, str) else ", ".join(loaded["brought"])
    note = (
        "The bundled model and its example, in Chromium. Cold: from starting the server until the open head is painted, with "
        "files that the system may still hold. Warm: a server that has been visited, from asking for the page; a new visitor's "
        "browser reads Streamlit's own scripts too, the one of somebody who returns has kept them. Not needed by the first page "
        "are packages of other pages, of exports and of commands."
    ) + (
        f" What Streamlit and transformers' model classes load by themselves is not counted ({brought})."
        if brought
        else ""
    )
    lines = (
        Line("cold start to the first picture", SECONDS, cold, COLD_SECONDS),
        Line("warm start to the first picture, a new visitor", SECONDS, new, WARM_SECONDS),
        Line("warm start to the first picture, somebody who returns", SECONDS, returning, WARM_SECONDS),
        Line(f"packages loaded by then that the first page does not need{names}", COUNT, count, 0),
    )
    return Section("Start", note, lines)


def page_section(course: Course, browser, address: str, folder: str, lengths: tuple[int, ...]) -> Section:
    """Return the lines on the Attention page with 12 x 12 heads."""
    lines: list[Line] = []
    course.measure("opening the model in the app", lambda: visit(browser, address, folder))
    for tokens in lengths:
        found = course.measure(
            f"Attention page, {tokens:,} tokens", lambda n=tokens: page_times(browser, address, folder, n)
        )
        lines += page_lines(tokens, found)
    note = (
        "The Attention page in Chromium with a decoder of 12 x 12 heads (GPT-2-small's size, random weights), a window of 1280 x "
        "800. The grid is painted so long after its bytes arrived in the browser; the lines without a budget hold all that the "
        "server computes too: the model's run for a new text, and all heads anew without special tokens. A head is clicked "
        "eight times; the time from the click until it is painted, what the server computes included."
    )
    return Section("Pictures of all heads and of one", note, lines)


def page_lines(tokens: int, found: PageTimes | str) -> list[Line]:
    """Return the lines of one length."""
    said = found if isinstance(found, str) else None
    arrived = None if said else found.drawn
    drawn = said or ("its message was not seen" if arrived is None else arrived / 1000)
    return [
        Line(f"grid of all heads, {tokens:,} tokens: bytes", MEGABYTES, said or found.bytes / 1e6, GRID_MEGABYTES),
        Line(f"grid of all heads, {tokens:,} tokens: arrived to painted", SECONDS, drawn, GRID_SECONDS.get(tokens)),
        Line(f"new text of {tokens:,} tokens until all is painted", SECONDS, said or found.all_drawn / 1000),
        Line(f"special tokens hidden, {tokens:,} tokens, until painted", SECONDS, said or found.new_grid / 1000),
        Line(
            f"click to open head, {tokens:,} tokens: median",
            MILLISECONDS,
            said or found.head,
            HEAD_MILLISECONDS.get(tokens),
        ),
        Line(f"click to open head, {tokens:,} tokens: slowest of eight", MILLISECONDS, said or found.slowest),
    ]


def files_section(course: Course, peers: str | None, scripts: str | None) -> Section:
    """Return the lines on whole files: the grid as one HTML file beside those of peers."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "Headscope.html"
        made = course.measure("the grid as a file", lambda: course.ask("benchmarks.own_grid", own, PEER_TOKENS))
        ours = made if isinstance(made, str) else opened(course, "Headscope's file", own, None)
        theirs = {
            name: one if isinstance(one, str) else opened(course, f"{name}'s file", one, scripts)
            for name, one in peer_files(course, peers, folder).items()
        }
    lines = [
        Line(what, unit, figure(ours, place), None, {name: figure(one, place) for name, one in theirs.items()})
        for place, (what, unit) in enumerate((("bytes", MEGABYTES), ("opened to painted", SECONDS)))
    ]
    return Section("Files beside those of peers", FILES_NOTE, lines, PEERS)


def figure(found: tuple[float, Figure] | str, place: int) -> Figure:
    """Return one of (megabytes, seconds), or why there are none."""
    return found if isinstance(found, str) else found[place]


def peer_files(course: Course, peers: str | None, folder: str) -> Mapping[str, Path | str]:
    """Return the file of each peer, or why there is none."""
    if peers is None:
        return dict.fromkeys(PEERS, NOT_INSTALLED)
    made = course.measure("files of peers", lambda: course.ask("benchmarks.peer_pages", folder, python=peers))
    if isinstance(made, str):
        return dict.fromkeys(PEERS, made)
    course.versions |= {name: one["version"] for name, one in made.items() if "version" in one}
    return {name: Path(folder, one["file"]) if "file" in one else one["failed"] for name, one in made.items()}


def opened(course: Course, name: str, file: Path, scripts: str | None) -> tuple[float, Figure] | str:
    """Return (megabytes, seconds until painted or why not) of a file, or why nothing is known of it."""

    def painted() -> float:
        asked = ("benchmarks.opened_file", file, PEER_SECONDS, *([scripts] if scripts else []))
        return course.ask(*asked, at_most=PEER_SECONDS + START_SECONDS)["seconds"]

    return file.stat().st_size / 1e6, course.measure(name, painted)


def app_sections(course: Course, *, quick: bool) -> list[Section]:
    """Return the sections on the running app; `quick` leaves out the longest text."""
    with tempfile.TemporaryDirectory() as folder, browsing() as browser, serving() as address:
        course.versions["Chromium"] = browser.version
        saved = course.measure("a model to open", lambda: course.ask("benchmarks.random_models", folder))
        found = [start_section(course, browser, address)]
        if isinstance(saved, str):
            return [*found, Section("Pictures of all heads and of one", f"No model could be written: {saved}.", ())]
        return [*found, page_section(course, browser, address, folder, LENGTHS[:-1] if quick else LENGTHS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--scripts", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    course = Course()
    found = app_sections(course, quick=arguments.quick)
    for section in [*found, files_section(course, arguments.peers, arguments.scripts)]:
        print(table(section))


if __name__ == "__main__":
    main()
