"""How our own models are trained: subwords, batches, schedule, loss, and one loop that can be interrupted."""
