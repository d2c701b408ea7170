"""kernel: compiled for the declared types alone, each when it is needed."""

import threading

import numpy as np
import pytest
from numba.core.errors import TypingError

from alicorn.compiled import kernel, subroutine


def twice(x):
    return x + x


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))


def doubling(*signatures):
    return kernel(*(signatures or ("int64(int64)", "float64[::1](float64[::1])")))(twice)


def test_a_signature_is_compiled_when_a_call_needs_it():
    double = doubling()
    assert not double.signatures
    assert double(21) == 42
    assert len(double.signatures) == 1
    assert double(np.array([0.5])).tolist() == [1.0]
    assert len(double.signatures) == 2


def test_arguments_are_converted_to_the_declared_types():
    double = doubling()
    for _ in range(2):  # the second time is found by its own types
        assert double(np.int32(2**31 - 1)) == 2**32 - 2
        assert double(True) == 2
    assert len(double.signatures) == 1


@pytest.mark.parametrize("wrong", ["text", [1], np.zeros(3, dtype=np.float32), np.zeros((2, 2)), None])
def test_a_call_that_no_signature_fits_is_refused_and_compiles_nothing(wrong):
    double = doubling()
    for call in (1, 2):
        with pytest.raises(TypeError, match="twice: no signature fits"):
            double(wrong)
        assert len(double.signatures) == call - 1
        double(1)


def test_a_kernel_in_a_kernel_is_compiled_for_its_declared_types():
    double = doubling()

    @kernel("int64(int32)")
    def outer(x):
        return double(x) + double(3)

    assert outer(4) == 14
    assert [str(one) for (one,) in double.signatures] == ["int64"]


def test_a_kernel_in_a_kernel_that_no_signature_fits_is_refused():
    double = doubling()

    @kernel("int64(unicode_type)")
    def outer(text):
        return double(text)

    with pytest.raises(TypingError, match="twice"):
        outer("text")


def test_without_signatures_it_takes_what_comes():
    double = kernel()(twice)
    assert double(2) == 4
    assert double(1.5) == 3.0
    assert double("a") == "aa"


def test_threads_that_come_at_once_all_get_the_answer():
    double = doubling()
    start = threading.Barrier(8)
    answers = []

    def call(number):
        start.wait()
        answers.append(double(np.int16(number)))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [2 * number for number in range(8)]
    assert len(double.signatures) == 1
    assert double(np.int16(5)) == 10


def test_a_subroutine_is_compiled_into_its_kernel_once_for_constants_and_variables():
    double = subroutine(twice)
    third = subroutine(error_model="numpy")(lambda x: x / 3)

    @kernel("float64(int64)")
    def outer(x):
        return third(double(x) + double(3))

    assert outer(4) == 14 / 3
    assert [str(one) for (one,) in double.signatures] == ["int64"]


def test_python_cannot_call_a_subroutine():
    with pytest.raises(TypeError, match="twice is a part of kernels"):
        subroutine(twice)(1)
