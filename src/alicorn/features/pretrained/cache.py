"""Vectors of texts, kept by how recently they were used, up to a number of bytes. Threads may share a cache.

Many threads of a server look up and add at once. One lock covers each lookup and each addition; no text is encoded
under it, so two threads may encode the same new text, and the vectors of the first are kept.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import numpy as np


class VectorCache:
    """most_bytes: of all vectors together; beyond it the least recently used texts are dropped."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._vectors: OrderedDict[str, np.ndarray] = OrderedDict()  # the least recently used first
        self._size_bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._vectors)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def found(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        """The vectors of those texts that are kept."""
        with self._lock:
            found = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in found:
                self._vectors.move_to_end(text)
            return found

    def add(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep these, and drop the least recently used beyond `most_bytes`."""
        with self._lock:
            for text, array in vectors.items():
                if text not in self._vectors:
                    self._vectors[text] = array
                    self._size_bytes += array.nbytes
            while self._size_bytes > self.most_bytes:
                self._size_bytes -= self._vectors.popitem(last=False)[1].nbytes
