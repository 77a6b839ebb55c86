"""Interventions as the selection writes them, changed by clicks; no streamlit."""

from model.interventions import HeadIntervention, ScaleHeads, UniformHeads, intervention_text, parse_interventions


def toggled_edit(edits: str, place: tuple[str | None, int, int], edit: str) -> str:
    """Return the text in which one head is changed as one of EDITS says, or no longer where it already is."""
    stack, layer, head = place
    made = (
        UniformHeads(stack, layer, (head,)) if edit == "uniform" else ScaleHeads(stack, layer, (head,), _FACTORS[edit])
    )
    singles = single_edits(edits)
    others = [one for one in singles if (one.stack, one.layer, one.heads) != (stack, layer, (head,))]
    had = str(made) in map(str, singles)
    return intervention_text(others if had else [*others, made])


def single_edits(edits: str) -> list[HeadIntervention]:
    """Return the interventions with one head each, those of a whole layer as they are; raises HeadscopeError for another text."""
    found: list[HeadIntervention] = []
    for one in parse_interventions(edits):
        places = [
            (one.stack, one.layer, heads)
            for heads in ((None,) if one.heads is None else ((head,) for head in one.heads))
        ]
        found += [
            ScaleHeads(*place, one.factor) if isinstance(one, ScaleHeads) else UniformHeads(*place) for place in places
        ]
    return found


def taken(one: HeadIntervention) -> float:
    """Return how much is taken from a head: what its factor lacks of 1, at most 1; one half where its attention is uniform."""
    return min(1.0, abs(1.0 - one.factor)) if isinstance(one, ScaleHeads) else 0.5


_FACTORS = {"switched off": 0.0, "halved": 0.5}
