"""What does a searcher click? A position-based click model with mistakes.

Examination by rank times recognition (Richardson et al. 2007; Craswell et al. 2008): a result is looked at with a
probability that falls with its rank and, once looked at, clicked with a probability that depends on who it is.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClickModel:
    """Probabilities in [0, 1]; `exponent` of the examination 1 / rank ** exponent."""

    exponent: float = 0.5
    recognised: float = 0.95  # the wanted person, examined
    mistaken_namesake: float = 0.03  # another person of exactly the wanted name, examined
    mistaken_other: float = 0.004  # anyone else, examined

    def examination(self, page: int) -> np.ndarray:
        """float64 (page,): probability that rank 1, 2, ... is looked at."""
        return np.arange(1, page + 1) ** -self.exponent


def click(
    shown: np.ndarray, wanted: np.ndarray, namesake: np.ndarray, model: ClickModel, chance: np.ndarray
) -> np.ndarray:
    """Which shown results are clicked, bool (n, page). A searcher stops at the wanted person's click.

    shown: bool (n, page), false where the page has ended; wanted, namesake: bool (n, page), the result is the wanted
    person, or another of the same name; chance: float (n, page) uniform in [0, 1).
    """
    attraction = np.where(namesake, model.mistaken_namesake, model.mistaken_other)
    attraction = np.where(wanted, model.recognised, attraction)
    clicked = shown & (chance < model.examination(shown.shape[1]) * attraction)
    target = clicked & wanted
    found_above = np.cumsum(target, axis=1) - target > 0
    result: np.ndarray = clicked & ~found_above
    return result
