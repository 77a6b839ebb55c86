"""User-facing prose of the pages Heads and Compare; no code."""

HEADS_QUESTION = "What does each head do?"
HEADS_VIEW_NAMES = {
    "roles": "Roles",
    "similar heads": "Similar heads",
    "interventions": "Switch off",
    "importance": "Importance",
}
HEADS_HOW_TO_READ = """
**The grid** holds one number for every head: the score that is chosen above it. Click a head, or move with the arrow keys.

**The scatter** sets every head by two scores; dashed lines are what uniform attention scores. Colour is a third score or the
head’s role. Click a point to see that head.

**A role** is given only with its evidence: a score over many texts whose 95 % interval lies above a stated threshold and
above the baseline. A relation (subject, object, ...) must be found on one half of the texts and hold on the other, an
accuracy at least 0.1 above the best fixed offset (after Voita et al. 2019). Most heads have no role, and a head may have several.

**This text** gives the same scores for the one text that you write: no intervals, and therefore no roles.
"""
STUDY_MISSING = (
    "There is no study of this model yet, so the scores are those of this one text. Make one with "
    "“python -m model study --model {model} --data TEXTS --out heads.parquet” and open it here."
)
OPEN_STUDY = "A Parquet file that “python -m model study” wrote."
SIMILAR = (
    "Heads that stand close do the same: their distance is the square root of the mean Jensen–Shannon divergence between "
    "what they attend to, row by row (Clark et al. 2019). The axes mean nothing by themselves."
)
GROUPS_HELP = "How many groups to make (Ward's method); 0: as many as the silhouette says."
NO_DIVERGENCE = "This study holds no comparison of heads with each other."
EDITS_HELP = (
    "Switched off: the head’s output is 0 before the output projection (Michel et al. 2019). Halved: it is multiplied by "
    "one half. Uniform: the head attends to everything alike."
)
EDITS_TEXT = (
    "The same in writing: L3H1:off, L2H0:x0.5, L1:uniform; “cross L3H1:off” where there are several kinds of attention."
)
EDIT_GRIDS = {
    "edits": "Click a head to change it, and see what the model does without it.",
    "moved": "What that does to the attention of the others. Click one to see it.",
}
EDIT_LABELS = {"edits": "is taken from it", "moved": "of its attention moves"}
IMPORTANCE = (
    "Each head switched off by itself (Michel et al. 2019), measured over the texts; beside it the quick estimate from one "
    "backward pass, |∂L/∂ξ|. A head that matters little alone may matter together with others: the curve shows that."
)
COMPARE_QUESTION = "What differs?"
COMPARISON_NAMES = {
    "heads": "Heads",
    "layers": "Layers",
    "sentences": "Sentences",
    "models": "Models",
    "interventions": "Before and after",
}
COMPARE_VIEW_NAMES = {
    "maps": "Maps",
    "through the layers": "Through the layers",
    "layer similarity": "Similarity of layers",
}
COMPARE_HOW_TO_READ = """
**Three maps**: A, B, and B − A on a scale that is symmetric about zero. Hover one and the same cell is marked in all three;
drag to zoom all of them, double-click to see everything again.

Two sentences are lined up by the words that they share, in order; two models by the words of the text, where a split word’s
attention is summed to it and averaged from it (Clark et al. 2019). Rows then need not sum to 1: what went to words that the
other does not have is left out.
"""
CKA_NOTE = (
    "Linear CKA between hidden states (Kornblith et al. 2019): 1 where one is a rotation of the other. With few tokens it is "
    "too high for everything; the debiased form corrects that."
)
DEBIASED_HELP = "Without the bias that makes few tokens look alike (Song et al. 2012, Nguyen et al. 2021)."
NO_MAP_SIMILARITY = "What the heads attend to is compared where both have the same tokens."
OTHER_SENTENCE = "The animal didn't cross the street because it was too wide."
OTHER_MODEL_HELP = "A bundled model; or type the folder of one, or the id of one on the hub."
DIFFERENCE_NAMES = {
    "total_variation": "Moved attention",
    "jensen_shannon": "Jensen–Shannon",
    "mean_absolute": "Mean |difference|",
    "correlation": "Correlation",
}
DIFFERENCE_MEANINGS = {
    "total_variation": "½ Σ |B − A| of an average query",
    "jensen_shannon": "bits, of an average query",
    "mean_absolute": "of a weight",
    "correlation": "of the weights",
}
IMPORTANCE_EMPTY = (
    "{count} texts are ready. Each head is switched off once over all of them; that takes a while and can be stopped."
)
TEXTS_PLACEHOLDER = "Leave this empty to use the sample of the model's study"
REFERENCES_HELP = (
    "What each text should be translated to. Without them the change of the predictions is measured instead of BLEU."
)
