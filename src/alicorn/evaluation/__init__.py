"""Is it better? Recall over the whole corpus, its uncertainty, and reports. In the order of imports:

metrics/     a run and its targets -> one value per search; means with intervals; several systems compared
searches.py  the searches to evaluate on: requests, targets, segments, corpus
systems/     runs: exact, Boolean, BM25, embedding, quantized index, hybrid, cascade; the weights of an ensemble
judges/      whether a document answers a query: by labels of people
reports/     a model's recall, ablation, channels, relevance, later stages; as Markdown, JSON, charts and a page
run.py       all measurements of one model in one run
"""
