"""What is compared is asked as it is served: an intent that is learned acts wherever there is a control."""

import numpy as np
import pytest
from served_people import UNIFIED, VERTICAL, make_collection

from alicorn.evaluation.questions import Questions
from alicorn.evaluation.run import retriever_of
from alicorn.intents import IntentClassifier
from alicorn.vertical.expressions import RelevanceControl


@pytest.fixture
def sure_of_oslo(tmp_path):
    """A file of a classifier to which every text asks for Oslo."""
    one, table = np.ones(1, dtype=np.float32), np.zeros((8, 2), dtype=np.float32)
    IntentClassifier(("city:oslo",), table, table[:1], 9 * one, one, 0 * one, 0.5 * one, {}).save(tmp_path / "i.npz")
    return tmp_path / "i.npz"


def test_learned_intents_act_in_what_has_a_control(tmp_path, sure_of_oslo):
    questions = Questions(intents=sure_of_oslo)
    with make_collection(tmp_path / "collection") as collection:
        for control, terms in ((None, []), (RelevanceControl(intents=("city",)), ["city:oslo"])):
            model = UNIFIED.with_vertical(VERTICAL.model_copy(update={"control": control}))
            read = retriever_of(collection, model, questions).read("john", "hybrid")
            assert [intent.term for intent in read.intents] == terms
