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
    Page(file="talk.py", title="Talk", url_path="talk"),
)
