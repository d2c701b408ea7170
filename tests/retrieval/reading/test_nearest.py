"""The expression for what is near a request."""

from alicorn.retrieval.reading.nearest import nearest


def test_one_vector_is_one_nn_and_several_are_alternatives():
    assert str(nearest("people", 10)) == "(nn people :k 10 :recall 0.95)"
    assert str(nearest("people", 10, 1.0)) == "(nn people :k 10 :recall 1.0)"
    expected = "(or (nn people :k 10 :recall 0.9 :vector interest-1) (nn people :k 10 :recall 0.9 :vector interest-2))"
    assert str(nearest("people", 10, 0.9, vectors=("interest-1", "interest-2"))) == expected
