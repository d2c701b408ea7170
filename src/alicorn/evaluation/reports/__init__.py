"""Measurements as Markdown, JSON, charts and a page.

comparison_report.py  a comparison as tables and a chart
recall.py             a model's recall by exact search, through the quantized index, and re-ranked by a second model
ablation.py           the recall lost without a feature
channel_weights.py    the weight of each channel in a fusion by attention
relevance.py          P_good of several systems, by a judge
survivors.py          how many of the nearest pass a Boolean control and a pre-ranker
channel_report.py     what each channel of a hybrid expression finds, and what only it finds
control.py            what the relevance control of a vertical takes away
charts.py             means with intervals, curves, a map of points
page/                 all that is known of a model on one HTML page
"""
