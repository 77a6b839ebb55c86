"""What a field of the selection may be: plain data."""

from app.figures.theme import SCALES
from model.analysis.aggregation import COMBINATIONS
from model.catalog import TRANSLATORS

# "spread" divides a model that is larger than one device over several, the CPU and disk.
DEVICES = ("auto", "cuda", "mps", "cpu", "spread")
METHODS = ("greedy", "sampled", "beam")
BLOCKS = ("all", "A to A", "A to B", "B to A", "B to B")
MOST_NEW_TOKENS = 64
# What of a text that is too long the model reads.
KEPT_PARTS = ("beginning", "end", "both ends", "window")
POOLINGS = ("maximum", "mean")
STACKS = ("", "encoder", "decoder", "cross")
# Which heads the arcs show; "held out" is the head that does best on other sentences than the one shown.
HEAD_CHOICES = ("held out", "best here", "one head", "mean of best")
DIRECTIONS = ("from mention", "to mention")
VIEWS = ("one sentence", "real sets")
SEARCHES = ("greedy", "beam")
TRANSLATOR_CHOICES = (*TRANSLATORS.values(), "side by side")
POSITION_VIEWS = ("sinusoids", "this model", "word order", "first layer", "length")
ORDERS = ("shuffled", "reversed", "no positions")
HEADS_VIEWS = ("roles", "similar heads", "interventions", "importance")
# Where the scores of heads are from: a study over many texts, or the one that is written above.
MEASURED_ON = ("study", "this text")
HEADS_SHOWN = ("scatter", "table")
MAP_COLOURS = ("group", "role")
COMPARISONS = ("heads", "layers", "sentences", "models", "interventions")
COMPARE_VIEWS = ("maps", "through the layers", "layer similarity")
EDITS = ("switched off", "halved", "uniform")

STATES_VIEWS = ("dimensions", "norms", "similarity", "trajectories", "contexts", "logit lens", "neighbours")
DIMENSION_ORDERS = ("as they are", "variance", "mean magnitude", "clustered")
LENS_COLOURS = ("probability", "entropy", "rank", "KL")
FLOW_VIEWS = ("maps", "routes", "fidelity")
EMBEDDINGS = ("PCA", "t-SNE")

# The values that a field of the selection may have, by its name.
CHOICES = {
    "block": BLOCKS,
    "keep": KEPT_PARTS,
    "pooling": POOLINGS,
    "method": METHODS,
    "stack": STACKS,
    "combination": COMBINATIONS,
    "scale": SCALES,
    "device": DEVICES,
    "dtype": ("auto", "float32", "bfloat16", "float16"),
    "choice": HEAD_CHOICES,
    "direction": DIRECTIONS,
    "view": VIEWS,
    "search": SEARCHES,
    "translator": TRANSLATOR_CHOICES,
    "position_view": POSITION_VIEWS,
    "order": ORDERS,
    "shown": STACKS[1:],
    "heads_view": HEADS_VIEWS,
    "measured_on": MEASURED_ON,
    "heads_shown": HEADS_SHOWN,
    "map_colour": MAP_COLOURS,
    "edit": EDITS,
    "compare": COMPARISONS,
    "compare_view": COMPARE_VIEWS,
    "states_view": STATES_VIEWS,
    "dimension_order": DIMENSION_ORDERS,
    "lens_colour": LENS_COLOURS,
    "flow_view": FLOW_VIEWS,
    "embedding": EMBEDDINGS,
}
NAMED = ("score", "score_across", "score_up", "colour", "measure", "flow_method", "vocabulary_token")
RANGES = {
    "layer": (0, 10_000),
    "head": (0, 10_000),
    "threshold": (0.0, 1.0),
    "new_tokens": (0, MOST_NEW_TOKENS),
    "seed": (0, 10**9),
    "step": (1, MOST_NEW_TOKENS),
    "window_start": (0, 10_000_000),
    "answer": (-1, 19),
    "best": (1, 50),
    "beams": (2, 10),
    "written": (0, MOST_NEW_TOKENS),
    "offset": (0, 60),
    "frequency": (0, 31),
    "order_seed": (0, 999),
    "cost_length": (2, 1024),
    "cost_width": (1, 1024),
    "cost_kernel": (2, 15),
    "translation_layer": (0, 10_000),
    "translation_head": (-1, 10_000),
    "other_layer": (0, 10_000),
    "other_head": (0, 10_000),
    "groups": (0, 20),
    "state": (0, 10_000),
    "position": (0, 1_000_000),
    "key_position": (0, 1_000_000),
    "lens_first": (0, 1_000_000),
    "route_threshold": (0.001, 1.0),
}
