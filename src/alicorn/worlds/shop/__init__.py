"""The shop world: a general store (docs/shop-world.md).

world.py     ShopWorld: generate, documents, searchers, write_logs, relevant
catalogue.py what is sold (words.py)           tastes.py   what a searcher likes, on which day
sessions.py  who browses and searches when     queries.py  texts of queries, and their intents
titles.py    titles, descriptions, pictures    clicks.py   clicks, visits, purchases
logs.py      the tables on disk
"""
