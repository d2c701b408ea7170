"""What becomes of a text before it is searched? The same analyzer for the texts of documents and of queries.

tokens.py     the words of a text, with their places in it
codes.py      numbers, codes and measures that stay whole
stems.py      Snowball stems by language
chinese.py    the words of Chinese text, by jieba
synonyms.py   rules that widen a query
analyzer.py   all of these in one chain: the terms of a document, the terms of a query
highlight.py  the places of the terms that matched
"""

from alicorn.analysis.analyzer import Analyzer

__all__ = ["Analyzer"]
