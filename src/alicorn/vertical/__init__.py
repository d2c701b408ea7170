"""What is searched? The typed description of a vertical (vertical.yaml).

schema.py     Vertical, the cross checks, loading
sides.py      what is known of a document, and of a request
features.py   the kinds of features and the type each asks of its column
columns.py    Arrow columns checked against what the vertical says; TableError names table, column, first bad row, count
analysis.py   how the words of a column become terms: stems, stop words, synonyms, codes
expressions.py  the expressions that a text becomes, and the orders of their hits
indexing/     terms, their positions, and the table that a collection takes
selection/    which documents are indexed, and which requests need no `nn`
split.py      which searches are held out
failed_searches.py  rules: what a search without a click was after
behaviour.py  windows over what a searcher did before the search
requests.py   the columns of logged searches: searcher, context, behaviour
parts.py      which part of it decides examples, vectors, documents
"""

from alicorn.vertical.analysis import Analysis as Analysis
from alicorn.vertical.behaviour import Behaviour as Behaviour
from alicorn.vertical.expressions import Expressions as Expressions
from alicorn.vertical.expressions import HitOrders as HitOrders
from alicorn.vertical.failed_searches import FailedSearchRules as FailedSearchRules
from alicorn.vertical.features import DenseFeature as DenseFeature
from alicorn.vertical.features import Feature as Feature
from alicorn.vertical.features import IdFeature as IdFeature
from alicorn.vertical.features import IdsFeature as IdsFeature
from alicorn.vertical.features import NumericFeature as NumericFeature
from alicorn.vertical.features import SequenceFeature as SequenceFeature
from alicorn.vertical.features import TextFeature as TextFeature
from alicorn.vertical.features import VectorsFeature as VectorsFeature
from alicorn.vertical.schema import Vertical as Vertical
from alicorn.vertical.selection import Selection as Selection
from alicorn.vertical.sides import DocumentSide as DocumentSide
from alicorn.vertical.sides import RequestSide as RequestSide
from alicorn.vertical.sides import TermRule as TermRule
from alicorn.vertical.split import Split as Split
