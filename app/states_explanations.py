"""User-facing prose of the page Hidden states; no code."""

STATES_QUESTION = "What do the layers hold?"
STATES_VIEW_NAMES = {
    "dimensions": "Dimensions",
    "norms": "Norms",
    "similarity": "Similarity",
    "trajectories": "Trajectories",
    "contexts": "Two contexts",
    "logit lens": "Logit lens",
    "neighbours": "Neighbours",
}
LAYER_HELP = "“in” is what enters the first layer, L0 what layer 0 hands on, before any final normalisation."
ORDER_HELP = (
    "Clustered: dimensions that move together over the tokens stand side by side (average linkage on 1 − correlation)."
)
OUTLIERS = (
    "Marked dimensions are outliers: their mean or their spread over the tokens is more than 3 standard deviations from that of "
    "the others, and so they stay in more than half of the tokens (after Kovaleva et al. 2021, Dettmers et al. 2022)."
)
NO_OUTLIERS = "No dimension stands out in this layer by the rule of 3 standard deviations (Kovaleva et al. 2021)."
NORMS = (
    "The length of each token’s state, layer by layer. Tokens more than three times as long as the median of their layer are "
    "named; massive activations are single numbers above 100 and 1,000 times the median (Sun et al. 2024)."
)
ANISOTROPY = (
    "Anisotropy: the mean cosine of all pairs of tokens (Ethayarajh 2019). Where it is high, any two states look alike, and a "
    "cosine is to be read against it. Centred: with the mean state taken away."
)
TRAJECTORIES = (
    "Every token’s path from the first layer to the last, in the principal axes of all layers together. Special tokens have "
    "no part in the fit: their long states would decide the axes. Drag to turn, play to walk through the layers."
)
CONTEXTS = (
    "How far the states of a word that both sentences share are apart, layer by layer: 1 − cosine. The dashed line is what any "
    "two states of the layer are apart on average, against which it is to be read (Ethayarajh 2019)."
)
LENS = (
    "The model’s own final part (normalisation, head, biases) read at every layer (nostalgebraist 2020). It reads early layers "
    "in the basis of the last one, so what it misses there may be there all the same (Belrose et al. 2023). Framed: the token "
    "that stands there comes first."
)
NEIGHBOURS = (
    "The entries of the vocabulary whose embeddings are nearest to the state by cosine. In late layers the states of many models "
    "have left the space of the embeddings: the numbers say how near the nearest still is."
)
STATIC = (
    "The neighbours of a token’s own embedding, before any context: what a model knows of “123” beside “12” and “4”."
)
BANK = ("He sat on the bank of the river.", "She put the money in the bank.")
LENS_HELP = (
    "What a cell's colour says: the probability of its token, the entropy, the rank of the true token, or the KL divergence "
    "from the last layer."
)
LENS_TARGET = "The decoder's text; empty: what the model writes"
CENTRE_HELP = "Take away the mean state of each layer, which is most of what layers differ by."
