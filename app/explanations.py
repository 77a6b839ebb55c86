"""User-facing prose; no code."""

ATTENTION_QUESTION = "What does each head look at, token by token?"
COUNTING = "Layers (L) and heads (H) count from 0."
HOW_TO_READ = """
**The grid** holds every head of the model: layers from top to bottom, heads from left to right, each a small picture of
its attention. Click one to open it, or move with the arrow keys. Long texts are pooled by maximum, so that a single
strong weight stays visible.

**The heatmap** shows one head: each row is a token that looks (query), each column a token that is looked at (key). A row
sums to 1, except under a maximum over heads or where the model has an attention sink. Masked cells, which the model may
not look at, have a grey of their own. Drag a rectangle to zoom, double-click to see all.

**The links** show the same weights as lines from query to key, wider with the weight; weaker ones than the threshold are
left out. Click a token to keep it selected in both pictures and to list its strongest weights.

Attention says where a head reads from, not what the model concludes from it.
"""
WORDS_HELP = "Merge sub-words: attention to a split word is summed, from it is averaged (Clark et al. 2019)."
SPECIAL_HELP = "Leave out tokens such as [CLS] and [SEP] and renormalise each row to sum to 1."
SCALE_HELP = "Square root and log lift small weights; the numbers on hover stay exact."
COMMON_HELP = "Common: colours run from 0 to 1 for every head. Off: each head's colours run to its own maximum."
THRESHOLD_HELP = "Links weaker than this are not drawn."
COMBINATION_NAMES = {
    "head": "One head",
    "layer mean": "Mean of the layer",
    "layer maximum": "Maximum of the layer",
    "mean of all": "Mean of all heads",
    "maximum of all": "Maximum of all heads",
}
STACK_NAMES = {"encoder": "Encoder", "decoder": "Decoder", "cross": "Cross-attention"}
PAIR_HELP = "Give an encoder two sentences, A and B, as one input; each block (A to A, A to B, ...) can be shown alone."
BLOCK_HELP = "From the tokens of one sentence to those of the other; what a row lacks of 1 goes outside of the block."
FILE_HELP = (
    "A trace that Headscope saved (safetensors), or an NPZ with weights [layer, head, query, key] and tokens, as another "
    "tool may write it."
)
FILE_MISSING = "Choose a file in the sidebar: a trace that Headscope saved, or an NPZ of attention weights and tokens."
TOKENS_HELP = "Every token with its id, its word, and why it is split."
TOKENS_CAPTION = "What the model reads. A word that is no entry of the vocabulary is made of several; ▁ is a space."
CHAT_HELP = "Put the text into the model's own chat template as a user's message."
WRITE_HELP = "Let a decoder go on from the text, and step through what it wrote."
TARGET_HELP = "The decoder's text. Leave it empty and the model writes one itself."
