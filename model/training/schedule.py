"""How fast to learn at every step."""


def noam_rate(step: int, d_model: int, warmup: int, factor: float | int = 1.0) -> float:
    """Return the learning rate of a step, counted from 1 (Vaswani et al. 2017, equation 3; `factor` is 1 there).

    rate = factor * d_model^-0.5 * min(step^-0.5, step * warmup^-1.5)
    """
    return factor * d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
