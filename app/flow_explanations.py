"""User-facing prose of the pages Flow and Why; no code."""

FLOW_QUESTION = "What does attention move?"
FLOW_VIEW_NAMES = {"maps": "Maps", "routes": "Routes to a token", "fidelity": "Which map to trust"}
# What each method is: its title, what it does, its formula, its paper and its limits.
METHODS = {
    "norms": (
        "Norms of the head",
        "How large the vector is that the head moves from each key: a weight on a short vector moves little.",
        "||α f(x)||, f(x) = (x W_V + b_V) W_O",
        "Kobayashi et al. 2020",
        "Norms, shown as shares of a row. What leaves one head may be cancelled by another.",
    ),
    "norms of the layer": (
        "Norms of the layer",
        "The same with the vectors of all heads added up first, so that heads may cancel each other.",
        "||Σ_h α_h f_h(x)||",
        "Kobayashi et al. 2020",
        "Shares of norms are no shares of the result: vectors that point against each other both count in full.",
    ),
    "with the residual": (
        "Norms with the residual",
        "The token’s own state, which the residual connection brings past attention, counts with its key.",
        "||Σ_h α_h f_h(x_k) + [q = k] x_q||  (AttnRes)",
        "Kobayashi et al. 2021",
        "The feed-forward part is not in it.",
    ),
    "with the layer norm": (
        "Norms with residual and layer norm",
        "The same after the layer norm that follows the sum, as in BERT and the first Transformer.",
        "AttnResLn: the sum centred, divided by its deviation and scaled",
        "Kobayashi et al. 2021",
        "Only where the model normalises after the sum; the page says so for all others.",
    ),
    "ALTI": (
        "ALTI contributions",
        "How much nearer each source brings the token’s new state to what it becomes.",
        "c_ij = max(0, ||y_i||₁ − ||y_i − T_i(x_j)||₁), rows made to sum to 1",
        "Ferrando et al. 2022",
        "One layer at a time; sources that point away count as 0.",
    ),
    "value zeroing": (
        "Value zeroing",
        "How far the token’s new state turns when the value vectors of one token are set to zero.",
        "1 − cos(y_i, y_i without v_j), rows made to sum to 1",
        "Mohebbi et al. 2023",
        "One run of the model’s layers per token.",
    ),
    "gradient x attention": (
        "Gradient × attention",
        "How much the chosen output would change with each weight, times the weight, over the heads.",
        "mean_h |A ∂y/∂A|",
        "Chefer et al. 2021, after Barkan et al. 2021",
        "Of one output: the next token of the text at a position that you choose, or the length of the sentence embedding where "
        "the model predicts no token.",
    ),
    "rollout": (
        "Rollout",
        "Attention followed down to the input through all layers below, half of each step staying at its token.",
        "R_l = (½ A_l + ½ I) R_{l−1}",
        "Abnar and Zuidema 2020",
        "It takes the mean over heads and nothing else for what moves.",
    ),
    "rollout, receptive field": (
        "Rollout, receptive field corrected",
        "The same against a model that attends to all it may see alike, since early tokens are in everything later.",
        "R / R of uniform attention, rows made to sum to 1",
        "Abnar and Zuidema 2020, section 5",
        "For decoders only.",
    ),
    "flow": (
        "Flow",
        "The most that could flow from each input token to each token through the layers, weights being capacities.",
        "maximum flow in the layered graph of ½ A + ½ I",
        "Abnar and Zuidema 2020",
        "Takes long: for short texts only; the page says the limit.",
    ),
}
PER_HEAD = ("norms",)
MIXING = (
    "How much of each token’s new state comes from other tokens, r = ||mixed|| / (||mixed|| + ||kept||), by layer "
    "(Kobayashi et al. 2021)."
)
ROUTES = (
    "From which tokens the state of the chosen one is made: every line is a contribution above the threshold, traced from the "
    "last layer down (in the manner of Ferrando and Voita 2024). Contributions are {method}."
)
FIDELITY = (
    "How each map ranks the tokens of your text, against what happens when a token is blanked out: Spearman’s rank correlation, "
    "after Abnar and Zuidema 2020. One sentence is little evidence: what holds over a set, python -m model fidelity measures."
)
WHY_QUESTION = "Why does this head attend there?"
WHY = (
    "The score of a query and a key is a sum over the dimensions of the head, scaled and, where the model does so, capped, "
    "biased and masked; the softmax over all keys makes the weight of it. The numbers are those of the weight shown."
)
JOINT = (
    "Queries and keys of the head in one plane (AttentionViz, Yeh et al. 2023): moved and scaled so that no weight changes, then "
    "projected. Where a query is near a key, it tends to attend to it; the correlation says how far that holds here."
)
ROTARY = (
    "What each pair of dimensions that the rotary positions turn adds to the dot product, and what they would add if the same "
    "query and key stood at other distances: elsewhere in a text the states would not be quite the same."
)
