"""What an output owes to its input tokens: gradients, value zeroing, blank-out, and how far the maps agree with it."""
