"""Is it better? Recall over the whole corpus, its uncertainty, and reports. In the order of imports:

metrics/     a run and its targets -> one value per search; means with intervals; several systems compared
searches.py  the searches to evaluate on: requests, targets, segments, corpus      unseen.py  what training has not seen
systems/     runs: exact, through the quantized index, as served, cascade; the weights of an ensemble
judges/      whether a document answers a query: by labels of people
reports/     a model's recall, ablation, channels, relevance, later stages; as Markdown, JSON, charts and a page
orders/      the best order of hits, searched and measured
gates/       which texts need no nn, learned and measured
vertical_block.py  one key of a vertical.yaml, written anew
trec.py      TREC's runs and qrels
test_looks.py  how often the test split was looked at
questions.py   what to measure of a model
run.py       all measurements of one model in one run
"""
