"""Is it better? Recall over the whole corpus, its uncertainty, and reports.

metrics.py     a run and its targets -> one value per search
exact.py       the exact run: top-K by inner product over all documents
bootstrap.py   confidence intervals over searches
comparison.py  several runs -> means, intervals, paired differences, by segment
report.py      a comparison as Markdown, JSON and a plot
searches.py    the searches to evaluate on: requests, targets, segments, corpus
systems.py     runs of Boolean, BM25, embedding, cascaded and hybrid retrieval
evaluate.py    `alicorn evaluate`: a model by exact recall, through the quantized index, and re-ranked by a second model
ablation.py    the recall lost without a feature
channel_weights.py  what each channel counts where they are fused by attention
relevance.py   P_good: how many of the first answer the query, by a judge;  relevance_model.py  one learned from labels
likeness.py    how many targets have something like them among the first (PinnerSage's relevance)
stages.py      how many of the nearest pass a Boolean control and a pre-ranker
page.py        `alicorn evaluate --report`: one HTML page per model, of charts.py, examples.py, embedding_map.py
ensembles.py   `alicorn ensemble`: weights searched on the valid split
"""
