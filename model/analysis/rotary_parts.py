"""What each frequency pair of a rotary model adds to the score of one query and key, and how that changes with distance."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64, Integer

from model.analysis.rotary import rotary_angles
from model.analysis.score_parts import score_row
from model.errors import HeadscopeError
from model.rotary_layout import RotaryLayout
from model.trace import Trace


@dataclass(frozen=True, eq=False)
class RotaryParts:
    """The dot product of one query and key in frequency pairs, before scaling (Su et al. 2021, equation 16).

    q.k = sum_p contributions[p] + rest,  contributions[p] = magnitudes[p] cos(angles[p]),
    magnitudes[p] = |q_p| |k_p|, which no position changes, angles[p] = theta_q - theta_k, in (-pi, pi], after both were turned.

    `frequencies` [pair] are radians a position, `dimensions` [pair, 2] those of the head; `distance` is the query's position
    less the key's, as counted in the sequence; `rest` is what the dimensions that are not turned add.
    """

    frequencies: Float64[np.ndarray, " pair"]
    dimensions: Integer[np.ndarray, "pair 2"]
    magnitudes: Float64[np.ndarray, " pair"]
    angles: Float64[np.ndarray, " pair"]
    rest: float
    distance: int

    @property
    def contributions(self) -> Float64[np.ndarray, " pair"]:
        """What each pair adds to q.k."""
        return self.magnitudes * np.cos(self.angles)

    @property
    def dot_product(self) -> float:
        """q.k, before scaling."""
        return float(self.contributions.sum()) + self.rest

    @property
    def wavelengths(self) -> Float64[np.ndarray, " pair"]:
        """Positions in which each pair turns once; infinite where it does not turn."""
        with np.errstate(divide="ignore"):
            return 2 * np.pi / np.abs(self.frequencies)

    @property
    def content_angles(self) -> Float64[np.ndarray, " pair"]:
        """The angle that content alone leaves between query and key, as at distance 0, in [-pi, pi]."""
        return np.angle(np.exp(1j * (self.angles - self.frequencies * self.distance)))

    def at_distances(self, distances: Integer[np.ndarray, " distance"]) -> Float64[np.ndarray, "distance pair"]:
        """Return what each pair would add with the same content at other distances, query position - key position.

        contribution[d, p] = magnitudes[p] cos(angles[p] + theta_p (d - distance))

        A thought experiment: elsewhere in the text the states, and so query and key, would not be quite the same (but in the
        first layer). The sum over pairs, and the rest, is the whole dot product at each distance.
        """
        return self.magnitudes * np.cos(self.angles + rotary_angles(self.frequencies, distances - self.distance))

    def position_swing(self, distances: Integer[np.ndarray, " distance"]) -> Float64[np.ndarray, " pair"]:
        """Return how far each pair's contribution moves over these distances, largest less smallest: who carries position."""
        return np.ptp(self.at_distances(distances), axis=0)


def rotary_parts(
    trace: Trace, layout: RotaryLayout, layer: int, head: int, query: int, key: int, stack: str | None = None
) -> RotaryParts:
    """Return what every frequency pair adds to the dot product of one query and key of a head.

    `layout` is the layer's, from `model.rotary_layout`. Distances count places in the sequence, so they are those of the model
    wherever positions rise by one from token to token. Raises HeadscopeError as `score_row` does, and where the text is longer
    than the layout's frequencies hold for.
    """
    row = score_row(trace, layer, head, query, stack)
    parts = row.at(key)
    if layout.longest is not None and max(len(row.keys), query + 1) > layout.longest:
        raise HeadscopeError(
            f"This model changes its frequencies for texts of more than {layout.longest} tokens, and this one has "
            f"{len(row.keys)}: shorten it to see the frequency pairs."
        )
    if layout.dimensions.max() >= len(parts.query):
        raise HeadscopeError(
            "These rotary frequencies are of another model: find those of the model that was recorded."
        )
    first, second = layout.dimensions.T
    queries, keys = (vector[first] + 1j * vector[second] for vector in (parts.query, parts.key))
    products = queries * keys.conj()
    unturned = np.setdiff1d(np.arange(len(parts.query)), layout.dimensions)
    return RotaryParts(
        frequencies=layout.frequencies,
        dimensions=layout.dimensions,
        magnitudes=np.abs(products),
        angles=np.angle(products),
        rest=float(parts.products[unturned].sum()),
        distance=query - key,
    )


def pair_products(parts: RotaryParts) -> pd.DataFrame:
    """Return a row for every pair: name, product (its contribution to q.k), magnitude, degrees (its angle) and wavelength.

    The products sum to q.k: a last row, "rest", holds what is not turned, where there are such dimensions.
    """
    rows = pd.DataFrame(
        {
            "name": [str(pair) for pair in range(len(parts.frequencies))], "product": parts.contributions,
            "magnitude": parts.magnitudes, "degrees": np.degrees(parts.angles), "wavelength": parts.wavelengths,
        }
    )  # fmt: skip
    rest = pd.DataFrame({"name": ["rest"], "product": [parts.rest]})
    return pd.concat([rows, rest], ignore_index=True) if parts.rest else rows


def pair_curves(parts: RotaryParts, distances: Integer[np.ndarray, " distance"], most: int = 4) -> pd.DataFrame:
    """Return q.k and what the pairs that carry most position add, at other distances: rows of curve, distance, value.

    The first curve is the whole, "q·k"; then come the `most` pairs with the largest `position_swing`, the largest first.
    """
    each = parts.at_distances(distances)
    carrying = np.argsort(-parts.position_swing(distances), kind="stable")[:most]
    curves = {"q·k": each.sum(axis=1) + parts.rest} | {f"pair {pair}": each[:, pair] for pair in carrying}
    frames = [pd.DataFrame({"curve": name, "distance": distances, "value": values}) for name, values in curves.items()]
    return pd.concat(frames, ignore_index=True)
