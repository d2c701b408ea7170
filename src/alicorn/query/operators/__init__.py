"""What does each operator of the language do? One file each; the table below has a row for every kind of node.

`not` has no row: `and` removes the documents of its operand.
"""

from alicorn.language import tree
from alicorn.query.operators import apply, boolean, expanded, extract, nn, phrase, stored_range, term, weak_and
from alicorn.query.operators.operator import Operator

OPERATORS: dict[type[tree.Node], Operator] = {
    tree.Term: Operator(term.evaluate, term.estimate),
    tree.Prefix: Operator(expanded.evaluate, expanded.estimate),
    tree.Fuzzy: Operator(expanded.evaluate, expanded.estimate),
    tree.Phrase: Operator(phrase.evaluate, phrase.estimate, phrase.check),
    tree.And: Operator(boolean.evaluate_and, boolean.estimate_and),
    tree.Or: Operator(boolean.evaluate_or, boolean.estimate_or),
    tree.StrongOr: Operator(boolean.evaluate_or, boolean.estimate_or),
    tree.Difference: Operator(boolean.evaluate_difference, boolean.estimate_difference),
    tree.Range: Operator(stored_range.evaluate, check=stored_range.check),
    tree.Nn: Operator(nn.evaluate, nn.estimate, nn.check),
    tree.WeakAnd: Operator(weak_and.evaluate, boolean.estimate_and),
    tree.Apply: Operator(apply.evaluate),
    tree.Extract: Operator(extract.evaluate, check=extract.check),
}
