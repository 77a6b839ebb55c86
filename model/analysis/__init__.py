"""Analyses: pure functions from arrays or a trace to arrays and frames."""
