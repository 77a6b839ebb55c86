"""What a model's output owes to its heads: effects of switching them off, estimates by gradient, pruning, predictions."""
