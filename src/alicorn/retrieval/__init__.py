"""What does this searcher's text ask for? The one way from a text to an answer, for server, shell and demo.

searchers.py  who searches: the columns that the request tower reads
asked.py      what is known of a request, for whatever orders its hits anew
given.py      columns that a request brings along
encoder.py    requests -> the vectors that they are searched by, each under its name
keyed_models.py  the models of a collection: which key a text looks in, the vectors of a text with its searcher
reading/      what a text becomes: expression, order, intents, the rule by which it has no nn
request.py    what is asked of a collection
channels.py   which channels found a document, and with which score
highlighting.py  where a hit has the words that matched
analysis_steps.py  what becomes of a text, step by step
retriever.py  a text with its searcher -> a request; and its answer
"""
