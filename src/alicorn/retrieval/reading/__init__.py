"""What does a text become?

nearest.py   the expression for the documents nearest to a request
by_words.py  what words alone say of a text: an easy repeat, signs that nn adds nothing
intents.py   what a query is sure to ask for, and the control that it puts around each nn
reader.py    the expression of a text and the order of its hits
"""
