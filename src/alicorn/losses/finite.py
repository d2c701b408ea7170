"""Whether all numbers of a tensor are finite, by one pass over them."""

from __future__ import annotations

import torch
from torch import Tensor


def all_finite(numbers: Tensor) -> bool:
    """Whether none is NaN or infinite. numbers: of any shape."""
    # NaN and infinity stay in a sum. Finite numbers may add up to infinity, so only then each one is looked at.
    return bool(torch.isfinite(numbers.sum()) or torch.isfinite(numbers).all())
