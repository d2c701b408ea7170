"""What does this searcher's text ask for?

encoder.py  requests -> the vectors that they are searched by, each under its name
nearest.py  the expression for the documents nearest to a request
"""
