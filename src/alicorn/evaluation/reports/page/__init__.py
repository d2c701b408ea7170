"""All that is known of a model on one HTML page.

model_page.py     the page: what is measured, and the template that shows it
sections.py       what each section of the page says and draws
examples.py       searches that went wrong, each beside the nearest one that went right
embedding_map.py  documents in the plane of their first two principal components
templates/        the page as Jinja2 templates, and its style
"""
