"""Every operator of the language has a row in the engine's table: only `not` is evaluated by its parent."""

from alicorn.language import tree
from alicorn.language.syntax import NameSlot
from alicorn.query.operators import OPERATORS


def test_every_operator_but_not_is_evaluated():
    assert set(OPERATORS) == {syntax.node for syntax in tree.OPERATORS.values()} - {tree.Not}


def test_an_operator_that_names_something_of_the_collection_checks_it():
    unchecked = OPERATORS[tree.Term].check
    naming = {syntax.node for syntax in tree.OPERATORS.values() if isinstance(syntax.word, NameSlot)}
    assert naming == {node for node, operator in OPERATORS.items() if operator.check is not unchecked}
