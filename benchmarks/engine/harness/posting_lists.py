"""Filters as a careful user evaluates them without an engine: NumPy arrays and bitmaps."""

import numpy as np
from harness.workload import Filter


class PostingLists:
    """Posting lists as NumPy arrays, with a bitmap for each term of at least 1 document in 1,000."""

    def __init__(self, postings: dict[str, np.ndarray], count: int) -> None:
        self.postings, self.count = postings, count
        self.bitmaps = {tag: self.bitmap_of(list_) for tag, list_ in postings.items() if len(list_) * 1000 >= count}

    def bitmap_of(self, documents: np.ndarray) -> np.ndarray:
        mask = np.zeros(self.count, dtype=bool)
        mask[documents] = True
        return np.packbits(mask, bitorder="little")

    def bitmap(self, tag: str) -> np.ndarray:
        found = self.bitmaps.get(tag)
        return self.bitmap_of(self.postings[tag]) if found is None else found

    def size(self, filter: Filter) -> int:
        """At most how many documents it has."""
        sizes = [len(self.postings[tag]) for tag in filter.all_of]
        if filter.any_of:
            sizes.append(sum(len(self.postings[tag]) for tag in filter.any_of))
        return min(sizes)

    def documents(self, filter: Filter) -> np.ndarray:
        """The smallest list first; the others by bitmap, or by merging where they have none."""
        lists = sorted((len(self.postings[tag]), tag) for tag in filter.all_of)
        if filter.any_of:
            found = np.unique(np.concatenate([self.postings[tag] for tag in filter.any_of]))
        else:
            found = self.postings[lists.pop(0)[1]]
        for _, tag in lists:
            found = self._keep(found, tag, True)
        for tag in filter.none_of:
            found = self._keep(found, tag, False)
        return found

    def combined(self, filter: Filter) -> np.ndarray:
        """The bitmap of a filter: a term's own, or made of its terms'."""
        parts = [self.bitmap(tag) for tag in filter.all_of]
        if filter.any_of:
            united = self.bitmap(filter.any_of[0])
            for tag in filter.any_of[1:]:
                united = united | self.bitmap(tag)
            parts.append(united)
        found = parts[0]
        for part in parts[1:]:
            found = found & part
        for tag in filter.none_of:
            found = found & ~self.bitmap(tag)
        return found

    def _keep(self, documents: np.ndarray, tag: str, wanted: bool) -> np.ndarray:
        bitmap = self.bitmaps.get(tag)
        if bitmap is None:
            if wanted:
                return np.intersect1d(documents, self.postings[tag], assume_unique=True)
            return np.setdiff1d(documents, self.postings[tag], assume_unique=True)
        bits = (bitmap[documents >> 3] >> (documents & 7).astype(np.uint8)) & 1
        return documents[bits == wanted]
