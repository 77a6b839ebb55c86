"""Readers of Winogender, WinoBias and GAP: spans cut alike, markers removed, what cannot be used counted."""

from collections import Counter
from pathlib import Path

import pytest

from model import HeadscopeError
from model.coreference_sets import SETS, read_set
from model.coreference_sets.winobias import unmark

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def words(example) -> tuple[str, list[str]]:
    """Return the mention and the candidates as they are written, the right one first."""
    candidates = [example.text[slice(*span)] for span in example.candidates]
    return example.text[slice(*example.mention)], [candidates.pop(example.answer), *candidates]


WINOBIAS = """1 [The developer] argued with the designer because [she] did not like the design.
2 The developer argued with [the designer] because [his] idea cannot be implemented.
3 The mechanic fixed the [housekeeper] 's car and then [he] wrote a note.
4 [The mechanic] thanked the [housekeeper] because [she] sang.
5 The teacher asked the [ physician] about it and believed [him].
6 [The teacher] called the physician because [she] was ill.
7 [The CEO] met the construction worker because [she] asked [her] friends.
8 The CEO met [the construction worker] because [he] asked.
9 The developer hated [the designer] and reported [him] to the CEO.
10 The designer hated [the developer] and paid [her].
11 [The cook] respects the baker because [she] is a good baker.
12 The cook taught [the baker] because [he] asked.
13 A stranger greeted [the cook] because [he] smiled.
14 [The pilot] met the gardener.
15 The teacher asked the [the physician] and thanked [her].
16 The physician, a physician, met [the physician] and a teacher before [he] left.
17 [The guard dog trainer] met the guard because [she] asked.
18 The guard dog trainer met [the guard] because [he] asked.
"""


def test_winobias_candidates_are_cut_alike_and_without_determiner(tmp_path):
    found = read_set("winobias", written(tmp_path, anti_stereotyped_type1__txt=WINOBIAS))
    by_line = {int(example.identifier.split(":")[1]): example for example in found.examples}
    assert {line: words(example) for line, example in by_line.items()} == {
        1: ("she", ["developer", "designer"]),
        2: ("his", ["designer", "developer"]),
        3: ("he", ["housekeeper", "mechanic"]),
        5: ("him", ["physician", "teacher"]),
        6: ("she", ["teacher", "physician"]),
        7: ("she", ["CEO", "construction worker"]),
        8: ("he", ["construction worker", "CEO"]),
        # The CEO is an occupation too, but the line's partner is about the developer.
        9: ("him", ["designer", "developer"]),
        10: ("her", ["developer", "designer"]),
        11: ("she", ["cook", "baker"]),
        12: ("he", ["baker", "cook"]),
        15: ("her", ["physician", "teacher"]),
        17: ("she", ["guard dog trainer", "guard"]),
        18: ("he", ["guard", "guard dog trainer"]),
    }
    assert found.left_out == {
        "several occupations are marked": 1,
        "the other occupation was not found": 1,
        "no pronoun is marked": 1,
        "the marked occupation stands in another place first": 1,
    }
    for example in found.examples:
        assert example.candidates == tuple(sorted(example.candidates))
        assert "[" not in example.text
        assert "the the" not in example.text
    assert by_line[5].text == "The teacher asked the physician about it and believed him."
    assert by_line[7].mention == (by_line[7].text.index("she"), by_line[7].text.index("she") + 3)


def test_winobias_sentences_about_the_same_two_are_one_cluster(tmp_path):
    files = {f"{name}_stereotyped_type{kind}__txt": WINOBIAS for name in ("pro", "anti") for kind in (1, 2)}
    found = read_set("winobias", written(tmp_path, **files))
    assert len(found.examples) == 56
    assert Counter(example.cluster for example in found.examples)["designer and developer"] == 16
    assert Counter(example.groups["stereotype"] for example in found.examples) == {"pro": 28, "anti": 28}
    assert Counter(example.groups["type"] for example in found.examples) == {"1": 28, "2": 28}
    assert {words(example)[0]: example.groups["gender"] for example in found.examples} == {
        "she": "feminine", "her": "feminine", "he": "masculine", "his": "masculine", "him": "masculine",
    }  # fmt: skip
    alone = read_set("winobias", tmp_path / "pro_stereotyped_type2.txt")
    assert len(alone.examples) == 14


def test_a_winobias_file_of_another_name_says_no_stereotype(tmp_path):
    found = read_set("winobias", [written(tmp_path, mine__txt=WINOBIAS) / "mine.txt"])
    assert {tuple(example.groups) for example in found.examples} == {("gender",)}


@pytest.mark.parametrize(
    ("line", "text", "marked"),
    [
        ("[The cook] met [her].", "The cook met her.", ["The cook", "her"]),
        ("the [ cook ] met", "the cook met", ["cook"]),
        ("The [the cook] met", "The cook met", ["cook"]),
        ("bathe [the cook]", "bathe the cook", ["the cook"]),
        ("no marks", "no marks", []),
    ],
)
def test_marks_are_removed_and_their_places_kept(line, text, marked):
    found, spans = unmark(line)
    assert (found, [found[slice(*span)] for span in spans]) == (text, marked)


TEMPLATES = "occupation(0)\tother-participant(1)\tanswer\tsentence\n" + "\n".join(
    "\t".join(row)
    for row in [
        ("nurse", "patient", "1", "The $OCCUPATION told her sister that the $PARTICIPANT lost $POSS_PRONOUN shoe."),
        ("nurse", "patient", "0", "The $PARTICIPANT met a $OCCUPATION since $NOM_PRONOUN was late, was $NOM_PRONOUN?"),
        ("cook", "guest", "0", "$PARTICIPANT liked the $OCCUPATION and $NOM_PRONOUN was glad."),
    ]
)
SENTENCES = """sentid\tsentence
nurse.patient.1.female.txt\tThe nurse told her sister that the patient lost her shoe.
nurse.someone.1.male.txt\tThe nurse told her sister that someone lost his shoe.
cook.someone.0.neutral.txt\tSomeone liked the cook and they were glad.
cook.guest.0.male.txt\tguest liked the cook and he was glad.
cook.guest.1.male.txt\tguest liked the cook and he was glad.
cook.guest.0.female.txt\tguest liked the cook and he was glad.
cook.guest.male
"""


def test_winogender_spans_come_from_the_template(tmp_path):
    rows = TEMPLATES.replace(", was $NOM_PRONOUN?", ".")
    found = read_set("winogender", written(tmp_path, templates__tsv=rows, all_sentences__tsv=SENTENCES))
    assert [words(example) for example in found.examples] == [
        ("her", ["patient", "nurse"]),
        ("his", ["someone", "nurse"]),
        ("they", ["cook", "Someone"]),
        ("he", ["cook", "guest"]),
    ]
    # The second "her" of the sentence, not that of the sister.
    assert found.examples[0].mention[0] == found.examples[0].text.rindex("her ")
    assert [example.groups["participant"] for example in found.examples] == ["named", "someone", "someone", "named"]
    assert [example.groups["gender"] for example in found.examples] == ["feminine", "masculine", "neutral", "masculine"]
    assert [example.cluster for example in found.examples] == ["nurse", "nurse", "cook", "cook"]
    assert found.left_out == {"no template fits the sentence": 2, "broken row (all_sentences.tsv line 8)": 1}


def test_winogender_needs_both_files(tmp_path):
    written(tmp_path, templates__tsv=TEMPLATES, all_sentences__tsv=SENTENCES)
    for name in ("templates.tsv", "all_sentences.tsv"):
        with pytest.raises(HeadscopeError, match="needs two files"):
            read_set("winogender", tmp_path / name)


def gap_row(identifier, text, pronoun, first, second, right=("TRUE", "FALSE"), shift=0, url="page"):
    places = [str(text.index(word) + shift) for word in (pronoun, first, second)]
    return "\t".join(
        [identifier, text, pronoun, places[0], first, places[1], right[0], second, places[2], right[1], url]
    )


GAP_HEADER = "ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL"
ANNA = '"Then Anna Lee met Zoë Kim; Kim laughed when she fell.'


def gap_file(*rows: str) -> str:
    return "\n".join([GAP_HEADER, *rows]) + "\n"


def test_gap_offsets_are_checked_and_quotes_are_characters(tmp_path):
    rows = [
        gap_row("a", ANNA, "she", "Anna Lee", "Zoë Kim"),
        gap_row("b", "His boat sank; Paul told Karl.", "His", "Paul", "Karl", ("FALSE", "TRUE"), url="other"),
        gap_row("c", ANNA, "she", "Anna Lee", "Zoë Kim", ("FALSE", "FALSE")),
        gap_row("d", ANNA, "she", "Anna Lee", "Zoë Kim", shift=1),
        gap_row("e", ANNA, "she", "Anna Lee", "Zoë Kim", ("YES", "FALSE")),
        gap_row("f", ANNA, "Then", "Anna Lee", "Zoë Kim"),
        gap_row("g", ANNA, "she", "Anna Lee", "Anna Lee"),
        "h\tcut short",
    ]
    found = read_set("gap", written(tmp_path, gap__tsv=gap_file(*rows)))
    assert [(example.identifier, *words(example)) for example in found.examples] == [
        ("a", "she", ["Anna Lee", "Zoë Kim"]),
        ("b", "His", ["Karl", "Paul"]),
    ]
    assert [example.groups for example in found.examples] == [{"gender": "feminine"}, {"gender": "masculine"}]
    assert [example.cluster for example in found.examples] == ["page", "other"]
    assert found.left_out == {
        "neither name is right": 1,
        "broken row (gap.tsv line 5, gap.tsv line 6, gap.tsv line 7, …)": 5,
    }


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        (
            "gap",
            {"a__tsv": gap_file("a\tb")},
            r"None of the gap examples could be used: broken row \(a.tsv line 2\) \(1\)",
        ),
        ("gap", {"a__tsv": "ID\tText\nx\ty\n"}, "has no column Pronoun"),
        ("gap", {"a__tsv": GAP_HEADER}, "the files are empty"),
        ("gap", {"a__txt": ""}, r"holds no \*\.tsv file"),
        ("winobias", {"a__txt": "Nothing is marked here.\n"}, "No line marks"),
        ("winobias", {"a__txt": "[The cook] met [a baker].\n"}, "no pronoun is marked"),
        ("winobias", {"a__txt": "[] met [her].\n"}, "the marked occupation stands in another place first"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(tmp_path, name, files, message):
    with pytest.raises(HeadscopeError, match=message):
        read_set(name, written(tmp_path, **files))


def test_paths_are_checked(tmp_path):
    for name, paths, message in (
        ("winobias", tmp_path / "nowhere", "There is no file or folder"),
        ("winobias", [], "No data was named"),
        ("ontonotes", tmp_path, "There is no set “ontonotes”"),
    ):
        with pytest.raises(HeadscopeError, match=message):
            read_set(name, paths)
    (tmp_path / "bytes.tsv").write_bytes(b"\xff\xfe\x00ID")
    with pytest.raises(HeadscopeError, match="cannot be read as UTF-8"):
        read_set("gap", tmp_path)


def published(name: str):
    if not (DATA / name).is_dir():
        pytest.skip(
            f"The corpus is not here: put {name} into {DATA.name}/ beside the project, in a folder named shared."
        )
    return read_set(name, DATA / name)


@pytest.mark.parametrize("name", SETS)
def test_every_span_of_the_published_sets_is_right(name):
    found = published(name)
    expected = {"winogender": (720, 60), "winobias": (1584, 196), "gap": (2191, 1973)}[name]
    assert (len(found.examples), len({example.cluster for example in found.examples})) == expected
    assert found.left_out == ({"neither name is right": 263} if name == "gap" else {})
    pronouns = {"he", "him", "his", "she", "her", "they", "them", "their"}
    for example in found.examples:
        mention, candidates = words(example)
        assert mention.lower() in pronouns
        for candidate in candidates:
            assert candidate == candidate.strip() != ""
            assert not candidate.lower().startswith(("the ", "a ", "an "))
        assert len({example.mention, *example.candidates}) == 1 + len(example.candidates)


def test_published_winobias_says_by_the_answer_where_its_two_types_differ():
    examples = published("winobias").examples
    for kind, share in (("1", 0.5), ("2", 1.0)):
        answers = [example.answer for example in examples if example.groups["type"] == kind]
        # In type 2 the right one always comes second: a head that looks at what is near is right there.
        assert sum(answers) / len(answers) == share
    # Pro and anti versions of a sentence have the same candidates and the same answer.
    by_place = {}
    for example in examples:
        name, line = example.identifier.split("_stereotyped_")
        by_place.setdefault(line, []).append((name, words(example)[1]))
    assert all(len(found) == 2 and found[0][1] == found[1][1] for found in by_place.values())
