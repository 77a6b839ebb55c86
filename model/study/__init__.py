"""Studies: what every head of a model does over a corpus, as files that the app opens."""
