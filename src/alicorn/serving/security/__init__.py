"""Who may ask what?

keys.py     API keys: rights, and the file that keeps them without their secrets
bucket.py   a token bucket: how many requests a second
access.py   the key of a request, and whether it may ask this
cors.py     cross-origin requests of pages that have a key
headers.py  headers that forbid a page to load anything from elsewhere
"""
