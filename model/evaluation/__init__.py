"""How good a model is at what it was trained for: BLEU of translations, bits per character of text."""
