"""What does this searcher's text ask for? The one way from a text to an answer, for server, shell and demo.

searchers.py  who searches: the columns that the request tower reads
asked.py      what is known of a request, for whatever orders its hits anew
given.py      columns that a request brings along
encoder.py    requests -> the vectors that they are searched by, each under its name
by_words.py   what words alone say of a text: an easy repeat, signs that nn adds nothing
intents.py    what a query is sure to ask for, and the control that it puts around each nn
channels.py   which channels found a document, and with which score
nearest.py    the expression for the documents nearest to a request
highlighting.py  where a hit has the words that matched
analysis_steps.py  what becomes of a text, step by step
retriever.py  a text with its searcher -> expression, vectors, order and notices; and its answer
"""
