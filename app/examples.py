"""Sentences to begin with: plain data."""

EXAMPLES = {
    "it = the animal": "The animal didn't cross the street because it was too tired.",
    "it = the street": "The animal didn't cross the street because it was too wide.",
    "the trophy and the suitcase": "The trophy doesn't fit into the brown suitcase because it is too big.",
    "two banks": "She sat on the bank of the river and thought of her account at the bank.",
    "agreement across a distance": "The keys to the old cabinet near the windows are on the table.",
    "a rare word": "The ornithopterologist catalogued 1234567 beetles in Ouagadougou.",
    "the same words twice": "one red fox saw two grey owls and then one red fox saw two grey owls",
}

# Sentences to translate: everyday scenes, and two that the small vocabulary of a small model does not hold.
ENGLISH = (
    "Two young girls are playing with a dog in the snow.",
    "A man in a blue shirt is standing on a ladder cleaning a window.",
    "People are fixing the roof of a house.",
    "A little boy is eating cake.",
    "What's the German for cake?",
    "The ornithopterologist sleeps.",
)
