"""What do the people search, see and click?

wants.py      whom a searcher wants          queries.py      what the searcher types (misspelling.py)
clicks.py     what is clicked                activity.py     what happens outside search
sessions.py   searches, one slice of time after another
"""
