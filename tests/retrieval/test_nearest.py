"""The expression for what is near a request."""

from alicorn.retrieval.nearest import nearest


def test_one_vector_is_one_nn_and_several_are_alternatives():
    assert str(nearest("people", 10)) == "(nn people :k 10)"
    assert str(nearest("people", 10, 16)) == "(nn people :k 10 :nprobe 16)"
    expected = "(or (nn people :k 10 :vector interest-1) (nn people :k 10 :vector interest-2))"
    assert str(nearest("people", 10, vectors=("interest-1", "interest-2"))) == expected
