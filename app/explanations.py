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

**A long text** (more than 512 tokens) is shown from afar first: each cell stands for several weights, and beside it stand the
strongest pairs, off the diagonal and off what most tokens look at anyway. Drag a rectangle, turn the wheel with Ctrl, click a
pair or search for a word to come nearer, until every cell is one exact weight; the small square in the corner says where you are.

Attention says where a head reads from, not what the model concludes from it.
"""
WORDS_HELP = "Merge sub-words: attention to a split word is summed, from it is averaged (Clark et al. 2019)."
SPECIAL_HELP = "Leave out tokens such as [CLS] and [SEP] and renormalise each row to sum to 1."
SCALE_HELP = "Square root and log lift small weights; the numbers on hover stay exact."
COMMON_HELP = "Common: colours run from 0 to 1 for every head. Off: each head's colours run to its own maximum."
POOLING_HELP = (
    "Where a cell or a thumbnail's pixel covers several weights: their largest, so that a single strong weight stays visible, or "
    "their mean, which shows where most of the attention is."
)
KEPT_NAMES = {"end": "Keep the end", "both ends": "Keep both ends", "window": "Move a window"}
KEEP_HELP = (
    "What the model reads of a text that is too long for it. Both ends: the middle is left out, with … in its place."
)
TEXT_FILE_HELP = "Its text is put into the box: plain text, Markdown, or the text of a PDF."
FIND_HELP = "Selects the token and shows the rows around it. Capital letters count where you type one."
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

COREFERENCE_QUESTION = "Which heads link a pronoun to what it stands for?"
COREFERENCE_HOW_TO_READ = """
**The sentence** shows how much the chosen head attends from the mention (a pronoun, filled) to each candidate
(underlined); the arc is the wider, the more. ✓ marks the candidate that is right. Click a word to make it a candidate or
no longer one; Shift-click, or **M** on the keyboard, makes it the mention.

**The grid** shows the margin of every head: attention to the right candidate minus attention to the best other one.
A head that looks at neither is at 0, so a pale cell is not a wrong one. Click a cell to open that head.

**Heads**: *held out* is the head that does best on the other minimal pairs, without the sentence that you see: with 72
heads, the best one of a single sentence is partly luck. *Best here* shows that luckier one. *Mean of best* takes the mean
over the best heads of the other pairs.

A candidate of several tokens is summed, a mention of several tokens is averaged (Clark et al. 2019).
"""
NOT_EXPLANATION = (
    "Attention is not explanation: a head that attends to the right noun may follow a habit (the nearest noun, the subject, "
    "whatever stands out), and is one step among many. Where one word changes the answer, see whether the head changes too; "
    "most do not. Read [Jain & Wallace 2019](https://arxiv.org/abs/1902.10186) and "
    "[Wiegreffe & Pinter 2019](https://arxiv.org/abs/1908.04626)."
)
MENTION_HELP = "The word that refers to another one; a pronoun is proposed."
CANDIDATES_HELP = "The words that the mention may stand for; nouns before it are proposed."
ANSWER_HELP = "The candidate that is right; it is known for the minimal pairs, otherwise say which."
HEADS_HELP = (
    "Held out: the head that does best on the other minimal pairs, without this sentence. Best here: chosen on this very "
    "sentence, which is partly luck."
)
HEAD_CHOICE_NAMES = {
    "held out": "Held-out best",
    "best here": "Best here",
    "one head": "One head",
    "mean of best": "Mean of best",
}
DIRECTION_HELP = (
    "From the mention to the candidates, or the reverse: in a decoder, a candidate that comes after the mention can only "
    "look back at it."
)
DIRECTION_NAMES = {"from mention": "From the mention", "to mention": "To the mention"}
HEAD_WORD_HELP = "Of a candidate of several words, count the last one only."
SECOND_HELP = "Beside the sentence, show one that differs from it in a word and has another answer."
INCOMPLETE = (
    "Choose what to follow: Shift-click the word that refers to another one, and click at least two candidates. "
    "The boxes Mention and Candidates do the same."
)
SETS_QUESTION = "Does the same head do it again on real sets?"
TALK_QUESTION = "Put scenes in order and present them."
TALK_EMPTY = (
    "There is no scene yet. Press “Add to talk” on another page, open a talk that you saved, or begin with the one that is "
    "ready."
)
FILE_NO_MODEL = "This page runs a model: choose one from Bundled, Hub or Folder in the sidebar."
TALK_EXPORT = (
    "The HTML file presents the talk in any browser with the network off, with the same keys; its pictures stay "
    "interactive. The PDF has a page for each scene."
)
SETS_HOW_TO_READ = """
A head **chooses** the candidate that it attends to most from the pronoun. Its accuracy is the share of examples in which that
is the right one; where it attends to several alike, each counts in part. Bars are 95 % intervals, drawn by whole templates or
pages, since sentences of one template are not independent.

Of many heads the best is partly luck. So one head is **chosen on the first half** of the templates, pro- and
anti-stereotyped sentences together, and **measured on the second**, beside three baselines: the candidate nearest to
the pronoun, the first one, and one at random.

The **stereotype gap** of WinoBias is the accuracy on sentences whose answer fits the stereotype of the occupation minus that on
sentences whose answer does not. A head far from the diagonal follows the stereotype, not the reference.

Both candidates of an example are found and cut by the same rule, without their determiners: one word more on one side alone
lifts a head from chance to nearly always right.
"""
SETS_EMPTY = (
    "There are no results of this model yet. Press “Measure a set” and give the files of Winogender, WinoBias or GAP."
)
SET_FILES = {
    "winogender": "templates.tsv and all_sentences.tsv (rudinger/winogender-schemas).",
    "winobias": "pro_stereotyped_type1.txt, anti_stereotyped_type1.txt and so on (uclanlp/corefBias).",
    "gap": "gap-development.tsv, gap-validation.tsv or gap-test.tsv (google-research-datasets/gap-coreference).",
}
TRANSLATION_QUESTION = "How does a Transformer translate, token by token?"
TRANSLATION_HOW_TO_READ = """
Our own **Transformer** of 2017, 4 + 4 layers of 4 heads and 1.8 million weights, and its **recurrent** predecessor, a GRU in both
directions with additive attention (Bahdanau et al. 2014), 2.3 million weights, trained on the same 29,000 image captions: short
sentences about people, dogs and streets are their world, in lower case. **Side by side** they translate the same sentence.

**The German** appears a token at a time; move the slider or press Next. Beside it stand the tokens that the model held
most probable at that step.

**The alignment** is cross-attention: each row is a German token, each column an English one that the model read while
writing it. It grows by a row a step. **Encoder** and **Decoder** show how each side of the Transformer attends to itself; the
recurrent model has nothing of the kind.

**The beam** keeps several beginnings at each step, the best on top. Lines lead from each to what it goes on with; the path that
becomes the translation is marked, pale ones were dropped, and a bar closes those that ended.

**Entropy** says how spread a row is: 0 bits on a single token, log₂ n on n alike. **Coverage** adds up what each English token
got from the whole translation (Tu et al. 2016): little, and it may have been left out; much, and it may be said twice. Both
are read from attention, which is no gold alignment.
"""
TRANSLATION_HELP = "Lower-cased by the model. Captions of everyday scenes work best."
SEARCH_HELP = (
    "Greedy takes the most probable token at each step; a beam keeps several translations and ends with the best."
)
RARE_WORDS = "The small vocabulary splits {words} into many pieces, hardly seen in training: expect a poor translation."
STAMMER = (
    "The {name} model repeats a piece over and over: it has not learned these words, and says nothing true about them."
)
POSITION_QUESTION = "How does a model know where a word stands?"
SINUSOIDS = r"""
$$PE_{(pos,\,2i)} = \sin\!\big(pos / 10000^{2i/d}\big)$$

$$PE_{(pos,\,2i+1)} = \cos\!\big(pos / 10000^{2i/d}\big)$$

For any fixed offset $k$, $PE_{pos+k}$ is a linear function of $PE_{pos}$: each frequency pair turns by the same angle
$k\,\omega_i$, whatever the position (Vaswani et al. 2017, section 3.5):

$$PE_{pos+k} = M_k\,PE_{pos}$$

$$M_k = \mathrm{diag}_i\begin{pmatrix} \cos k\omega_i & \sin k\omega_i \\ -\sin k\omega_i & \cos k\omega_i \end{pmatrix}$$
"""
WORD_ORDER = (
    "The words of the sentence are put in another order and the model runs again. A head that follows **positions** keeps its "
    "pattern where it stands; one that follows **content** takes its pattern along with the words. Both are correlations of "
    "the head's two maps between words, as they stand and with the words moved back. One order of one sentence is little "
    "evidence: try several seeds."
)
NO_POSITION_RUN = (
    "The same sentence, run with every added position at zero. A head near **1** does not need positions to do what it does: it "
    "follows content. A head near **0** has lost its pattern: positions told it where to look. Later layers lose theirs also "
    "because what they read has changed."
)
NO_POSITIONS = (
    "This model has no table of positions, no rotary frequencies, no ALiBi slopes and no relative bias that "
    "Headscope can read. Below is an example of each."
)
POSITION_TABLE = (
    "A {kind} table of {positions} positions. Likeness to sinusoids, over {compared} positions (linear CKA, 0 to 1; Kornblith et "
    "al. 2019): **{likeness:.2f}**; a random table has {chance:.2f}."
)
ROTARY = (
    "Query and key are turned by $\\theta_i \\cdot pos$ in each of {pairs} pairs of dimensions, so the score depends on the "
    "distance alone (Su et al. 2021): $q_m^\\top k_n = \\sum_i |q_i||k_i| \\cos(\\theta_i (m - n) + \\phi_i)$. "
    "One full turn takes from {fastest:.1f} to {slowest:,.0f} positions."
)
ALIBI = (
    "Nothing is added to the tokens; each head subtracts its own slope times the distance from the score (Press et al. 2021): "
    "$q_m^\\top k_n - s_h\\,|m - n|$."
)
T5_BUCKETS = (
    "Distances fall into buckets, exact near by and wider farther off; each head has learned one number per bucket, which is "
    "added to the score (Raffel et al. 2020)."
)
COST_QUESTION = "What does a layer cost, and what does it buy?"
COST_HELP = "Times every kind of layer on this machine, for some seconds. A click on any other control stops it."
COST_COUNTED = "Counted by the formulas of the table, not measured: constants are left out."
COST_TIME = (
    "Measured on {machine}: one sequence, float32, forward only. Each exponent is fitted to the larger half of the sizes; "
    "± is its 95 % interval."
)
COST_MEMORY = (
    "The most that tensors made by the layer hold at one time, counted while it ran on {machine}. Explicit attention bends over "
    "d where its output grows larger than its weights."
)
COST_HOW_TO_READ = """
The table is table 1 of Vaswani et al. 2017: $n$ positions of width $d$, a kernel of $k$ positions. **Operations** say what a
layer costs; the other two columns say what it buys. Few **sequential operations** let it run in parallel, and a short **path**
lets two distant positions reach each other. The path of a convolution is the number of layers with dilated kernels.

**Measured** are four layers, without gradients: attention as one fused kernel, which never holds the $n \\times n$ weights;
attention that computes them first; PyTorch's GRU; and a convolution. Attention has one head and no projections, which the table
leaves out too: they would add $4 n d^2$. A GRU does six products of $n d^2$.

**Time** is the median of repeats after a first call. On log axes a power law is a straight line and its slope is the exponent.
At small sizes the overhead of each call, caches and threads bend it, so the exponents stay off the paper's; another
program that runs at the same time does too. The interval knows only how far the points are from the line.

**Memory** is the most that tensors made by the layer hold at one time, without its input and weights. It is counted, not
sampled, and so the same on every run; what a kernel takes for itself while it runs is not seen.
"""
FIRST_LAYER = r"""
Where positions are added, each input of the first layer is $x = c + p$, content and position, and a score is a sum of products:

$$q_i^\top k_j = q^c_i k^c_j + q^c_i k^p_j + q^p_i k^c_j + q^p_i k^p_j + \text{constants}$$

after Ke et al. 2021, through the layer's own normalisation. The bars say how much each part moves the attention: the root mean
square of the part once each row's mean is taken off, which a softmax does not see. The share on the right is what comes from
**where the key stands** rather than from what it is.
"""
TERM_NAMES = {
    "content_content": "content · content",
    "position_content": "position · content",
    "content_position": "content · position",
    "position_position": "position · position",
    "bias": "with constants",
}
LENGTH = """
The same small decoder, trained five times on windows of {trained} tokens, with nothing but its positions changed, and then
read far past them.

**Learned** positions have no row past the last one: the model cannot go on at all. **Sinusoidal** ones go on, but at places that
no weight was trained for. **Rotary** knows distances alone, yet distances that it never saw. **ALiBi** fades with the distance,
and was made for this (Press et al. 2021). With **no positions**, the causal mask alone tells a decoder where it is (Haviv et
al. 2022).
"""
NO_LENGTH_CURVES = (
    "The curves that come with Headscope are missing. Make them with python -m model train language --model position-study "
    "and python -m model evaluate length."
)
