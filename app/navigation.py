"""The pages, one row each: the entry and the tests read this."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """One page: its file under pages/, its title and its part of the URL."""

    file: str
    title: str
    url_path: str


PAGES = (
    Page(file="attention.py", title="Attention", url_path="attention"),
    Page(file="coreference.py", title="Coreference", url_path="coreference"),
    Page(file="heads.py", title="Heads", url_path="heads"),
    Page(file="compare.py", title="Compare", url_path="compare"),
    Page(file="states.py", title="States", url_path="states"),
    Page(file="flow.py", title="Flow", url_path="flow"),
    Page(file="why.py", title="Why", url_path="why"),
    Page(file="translation.py", title="Translation", url_path="translation"),
    Page(file="position.py", title="Position", url_path="position"),
    Page(file="cost.py", title="Cost", url_path="cost"),
    Page(file="talk.py", title="Talk", url_path="talk"),
)
