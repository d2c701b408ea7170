"""Who may ask what?

headers.py      headers that forbid a page to load anything from elsewhere
"""
