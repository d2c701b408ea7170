"""One HTML page about a model.

model_page.py     the page: what is measured, and the template that shows it
sections.py       the values and charts of each section of the page
examples.py       searches that went wrong, each beside the nearest one that went right
embedding_map.py  documents in the plane of their first two principal components
templates/        the page as Jinja2 templates, and its style
"""
