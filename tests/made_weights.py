"""Made attention: weights of known heads, the masks that go with them, and the scores by plain loops."""

import math

import torch

from model.analysis.token_facts import TokenFacts
from model.tokens import Token


def sequence(*ids: int, special=()) -> tuple[Token, ...]:
    """Return tokens with these ids; those at the positions `special` stand for no text, an id below 10 is a comma."""
    return tuple(
        Token("," if number < 10 else f"w{number}", str(number), id=number, special=place in special)
        for place, number in enumerate(ids)
    )


def causal_mask(size: int, padding: int = 0) -> torch.Tensor:
    """Return bool [1, query, key] of a causal model whose first `padding` tokens are none."""
    allowed = torch.ones(1, size, size, dtype=torch.bool).tril()
    allowed[:, :, :padding] = False
    return allowed


def random_weights(texts: int, heads: int, queries: int, keys: int, allowed=None, seed: int = 0) -> torch.Tensor:
    """Return weights [text, head, query, key] whose rows sum to one over what is allowed; uniform where nothing is."""
    scores = 3 * torch.randn(texts, heads, queries, keys, generator=torch.Generator().manual_seed(seed))
    if allowed is not None:
        scores = scores.masked_fill(~allowed[:, None], torch.finfo(torch.float32).min)
    return scores.softmax(dim=-1)


def looking_at(offset: int, size: int) -> torch.Tensor:
    """Return weights [query, key] of a head that looks at the key at an offset, or at itself where there is none."""
    weights = torch.zeros(size, size)
    for query in range(size):
        key = query + offset
        weights[query, key if 0 <= key < size else query] = 1
    return weights


def looped_scores(weights, query: TokenFacts, key: TokenFacts, allowed, text: int, same: bool) -> dict[str, tuple]:
    """Return {score: (sum over rows, rows)} of one head's weights [query, key] of one text, by loops over rows and keys."""
    queries, keys = weights.shape
    allowed = torch.ones(queries, keys, dtype=torch.bool) if allowed is None else allowed[min(text, len(allowed) - 1)]
    rows = [q for q in range(queries) if allowed[q].any()]
    w = weights.double().tolist()
    reachable = [k for k in range(keys) if allowed[:, k].any()]
    targets = {
        "first token": lambda q, k: k == reachable[0],
        "last token": lambda q, k: k == reachable[-1],
        "separators": lambda q, k: bool(key.special[text, k]) and k not in (0, reachable[0]),
        "punctuation": lambda q, k: bool(key.punctuation[text, k]),
        "rarest token": lambda q, k: bool(key.rarest[text, k]),
    }
    if same:
        ids, special = key.ids[text].tolist(), key.special[text].tolist()

        def alike(q, k):
            return ids[q] == ids[k] and ids[q] >= 0 and not special[q] and not special[k]

        targets |= {
            "previous token": lambda q, k: k == q - 1,
            "next token": lambda q, k: k == q + 1,
            "same token": lambda q, k: k == q,
            "duplicate tokens": lambda q, k: k != q and alike(q, k),
            "prefix matching": lambda q, k: 0 <= k - 1 < q and alike(q, k - 1),
        }
    found = {}
    for name, wanted in targets.items():
        reached = [q for q in rows if any(allowed[q, k] and wanted(q, k) for k in range(keys))]
        found[name] = (sum(w[q][k] for q in reached for k in range(keys) if wanted(q, k)), len(reached))
    bits = -sum(w[q][k] * math.log2(w[q][k]) for q in rows for k in range(keys) if w[q][k] > 0)
    found["entropy"] = (bits, len(rows))
    received = [sum(w[q][k] for q in rows) for k in range(keys)]
    found["sink"] = (max(*received, len(rows) - sum(received)), len(rows))
    if same:
        found["distance"] = (sum(w[q][k] * abs(q - k) for q in rows for k in range(keys)), len(rows))
    for offset in range(-8, 9):
        reached = [q for q in rows if 0 <= q + offset < keys and allowed[q, q + offset]]
        hits = sum((w[q][q + offset] == max(w[q])) / w[q].count(max(w[q])) for q in reached)
        found[f"offset {offset:+d}" if offset else "offset 0"] = (hits, len(reached))
    return found
