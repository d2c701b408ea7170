"""The loops of the engine: sorted document numbers, bitmaps, BM25.

All have fixed signatures: one is compiled when it is first called on a machine (`alicorn.compiled`).
Document numbers are uint32, ascending and without repetition, wherever an argument is called a set.
"""

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from alicorn.compiled import kernel, subroutine


@subroutine
def gallop(numbers, start, size, value):
    """The first place from `start` to `size` whose number is not below `value`: doubling steps, then halves.

    numbers: an array, or `numbers_at`.
    """
    step, low, high = 1, start, start
    while high < size and numbers[high] < value:
        low = high + 1
        high += step
        step *= 2
    return first_between(numbers, low, min(high, size), value)


@subroutine
def first_between(numbers, low, high, value):
    """The same from `low` to `high`, by halves."""
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel("int64(uint32[::1], uint32[::1], uint32[::1])")
def intersect(small, large, out):
    """Intersection of two sets, the first being no larger; returns how many were written."""
    count = 0
    at = 0
    num_large = len(large)
    if num_large < 16 * len(small):  # a merge beats galloping while the sizes are near
        i = 0
        while i < len(small) and at < num_large:  # without branches: which of the two is smaller cannot be predicted
            first, second = small[i], large[at]
            out[count] = first
            count += first == second
            i += first <= second
            at += second <= first
        return count
    for value in small:
        at = gallop(large, at, num_large, value)
        if at == num_large:
            break
        if large[at] == value:
            out[count] = value
            count += 1
    return count


@kernel("int64(uint32[::1], uint32[::1], uint32[::1])")
def subtract(numbers, removed, out):
    """The members of a set that are not in the other; returns how many were written."""
    count = 0
    at = 0
    num_removed = len(removed)
    for value in numbers:
        if at < num_removed and removed[at] < value:
            at = gallop(removed, at, num_removed, value)
        if at == num_removed or removed[at] != value:
            out[count] = value
            count += 1
    return count


@kernel("int64(uint32[::1], uint32[::1], uint32[::1])")
def unite(first, second, out):
    """Union of two sets; returns how many were written."""
    count = 0
    i = 0
    j = 0
    while i < len(first) and j < len(second):
        a = first[i]
        b = second[j]
        out[count] = min(a, b)
        count += 1
        if a <= b:
            i += 1
        if b <= a:
            j += 1
    while i < len(first):
        out[count] = first[i]
        count += 1
        i += 1
    while j < len(second):
        out[count] = second[j]
        count += 1
        j += 1
    return count


@kernel("void(uint64[::1], uint32[::1])")
def set_bits(words, numbers):
    for value in numbers:
        words[value >> np.uint32(6)] |= np.uint64(1) << np.uint64(value & np.uint32(63))


@kernel("void(uint64[::1], uint32[::1])")
def clear_bits(words, numbers):
    for value in numbers:
        words[value >> np.uint32(6)] &= ~(np.uint64(1) << np.uint64(value & np.uint32(63)))


@kernel("int64(uint64[::1], uint32[::1], boolean, uint32[::1])")
def filter_by_bits(words, numbers, keep_set, out):
    """The numbers whose bit is set (or is not set, with keep_set False); returns how many were written."""
    count = 0
    for value in numbers:
        bit = (words[value >> np.uint32(6)] >> np.uint64(value & np.uint32(63))) & np.uint64(1)
        if (bit == np.uint64(1)) == keep_set:
            out[count] = value
            count += 1
    return count


@kernel("void(uint64[::1], uint32[::1])")
def list_bits(words, out):
    """The numbers whose bit is set, ascending; out has one place for each."""
    count = 0
    for index in range(len(words)):
        word = words[index]
        while word != np.uint64(0):
            out[count] = np.uint32(index * 64) + np.uint32(trailing_zeros(word))
            count += 1
            word &= word - np.uint64(1)


@kernel("int64(uint32[::1], int64[::1], int64[::1], uint32[::1])")
def slice_ranges(rows, starts, stops, out):
    """The ascending rows that are in the ascending, disjoint ranges; returns how many were written."""
    count = 0
    at = 0
    for r in range(len(starts)):
        if starts[r] == stops[r]:
            continue
        at = gallop(rows, at, len(rows), np.uint32(starts[r]))
        while at < len(rows) and rows[at] < stops[r]:
            out[count] = rows[at]
            count += 1
            at += 1
    return count


@kernel("int64(uint64[::1], int64[::1], int64[::1], uint32[::1])")
def bits_in_ranges(words, starts, stops, out):
    """The numbers in the ascending, disjoint ranges whose bit is set; returns how many were written."""
    count = 0
    for r in range(len(starts)):
        at, stop = starts[r], stops[r]
        while at < stop:
            word = words[at >> 6] & (np.uint64(0xFFFFFFFFFFFFFFFF) << np.uint64(at & 63))
            end = min(((at >> 6) + 1) << 6, stop)
            if end & 63:
                word &= (np.uint64(1) << np.uint64(end & 63)) - np.uint64(1)
            while word != np.uint64(0):
                out[count] = np.uint32(at & ~63) + np.uint32(trailing_zeros(word))
                count += 1
                word &= word - np.uint64(1)
            at = end
    return count


@kernel("int64(int32[::1], uint32[::1], uint32[::1])")
def rows_of_documents(rows_of, documents, out):
    """The rows of the documents that have one (rows_of is -1 for the others), in the order of the documents."""
    count = 0
    for document in documents:
        row = rows_of[document]
        if row >= 0:
            out[count] = np.uint32(row)
            count += 1
    return count


@kernel("void(int64[::1], int64[::1], uint32[::1])")
def expand_ranges(starts, stops, out):
    """The rows of every range, one range after the other."""
    at = 0
    for r in range(len(starts)):
        for row in range(starts[r], stops[r]):
            out[at] = row
            at += 1


@kernel("void(uint64[::1], uint32[::1], int64[::1], int64[::1])")
def set_bits_of_lists(words, postings, starts, stops):
    """Set the bits of the posting lists [starts[i], stops[i])."""
    for i in range(len(starts)):
        set_bits(words, postings[starts[i] : stops[i]])


@kernel("void(uint32[::1], int64[::1], int64[::1], uint32[::1])")
def join_lists(postings, starts, stops, out):
    """The posting lists [starts[i], stops[i]), one after the other."""
    at = 0
    for i in range(len(starts)):
        for place in range(starts[i], stops[i]):
            out[at] = postings[place]
            at += 1


@kernel("float64(float32[::1])")
def normalize_in_place(vector):
    """Divide by the Euclidean norm, which is returned; a norm of 0, NaN or infinity leaves the vector as it is."""
    total = 0.0
    for value in vector:
        total += np.float64(value) * np.float64(value)
    norm = np.sqrt(total)
    if norm > 0.0 and np.isfinite(norm):
        for j in range(len(vector)):
            vector[j] = np.float32(np.float64(vector[j]) / norm)
    return norm


@kernel("boolean(float32[:, ::1])")
def normalize_rows_in_place(rows):
    """Divide every row by its norm; False, with some rows divided, when a norm is 0, NaN or infinity."""
    for i in range(len(rows)):
        norm = normalize_in_place(rows[i])
        if not (norm > 0.0 and np.isfinite(norm)):
            return False
    return True


@kernel("void(float64[::1], uint32[::1], uint32[::1], uint8[::1], uint32[::1], float64, float64, float64)")
def add_bm25(scores, numbers, postings, frequencies, lengths, idf, k1_1_b, k1_b_per_average):
    """Add one term's BM25 to the scores of a set: idf * (tf / (tf + k1 (1 - b) + (k1 b / average) * length))."""
    at = 0
    for i in range(len(numbers)):
        at = gallop(postings, at, len(postings), numbers[i])
        if at == len(postings):
            return
        if postings[at] == numbers[i]:
            frequency = np.float64(frequencies[at])
            scores[i] += idf * (frequency / (frequency + k1_1_b + k1_b_per_average * lengths[numbers[i]]))


@kernel("void(float64[::1], uint32[::1], uint32[::1], uint8[::1], uint32[::1], float64, float64, float64)")
def add_frequency(sums, numbers, postings, frequencies, lengths, weight, kept, per_length):
    """Add one field's part of BM25F to the frequencies of a set: weight * tf / (1 - b + (b / average) * length).

    kept, per_length: 1 - b and b / average.
    """
    at = 0
    for i in range(len(numbers)):
        at = gallop(postings, at, len(postings), numbers[i])
        if at == len(postings):
            return
        if postings[at] == numbers[i]:
            sums[i] += weight * np.float64(frequencies[at]) / (kept + per_length * lengths[numbers[i]])


@kernel(
    "void(float64[::1], uint32[::1], uint32[::1], uint8[::1], int64[::1], int64[::1], float64[::1], uint32[::1],"
    " float64, float64)"
)
def add_frequencies(sums, numbers, postings, frequencies, starts, stops, weights, lengths, kept, per_length):
    """The same for several posting lists [starts[i], stops[i]), each with a weight."""
    for i in range(len(starts)):
        at = 0
        for place in range(starts[i], stops[i]):
            at = gallop(numbers, at, len(numbers), postings[place])
            if at == len(numbers):
                break
            if numbers[at] == postings[place]:
                sums[at] += weights[i] * np.float64(frequencies[place]) / (kept + per_length * lengths[numbers[at]])


@kernel(*[f"void({kind}[::1], int32[::1], int64, int64, uint32[::1])" for kind in ("int32", "uint16")])
def count_between(codes, starts, low, high, counts):
    """counts[i] = how many of codes[starts[i]:starts[i + 1]] are from low to below high."""
    for i in range(len(counts)):
        count = np.uint32(0)
        for at in range(starts[i], starts[i + 1]):
            count += np.uint32(low <= np.int64(codes[at]) < high)
        counts[i] = count
