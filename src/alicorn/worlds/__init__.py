"""Where does practice data come from? Two generated worlds, simulations both: docs/people-world.md, docs/shop-world.md.

people.py         PeopleWorld: generate, documents, searchers, write_logs
places.py         real cities by population          names.py        weighted real names, nicknames
communities.py    towns, schools, employers, groups  identities.py   who is called what, where they studied and work
graph.py          the friend graph                   clusters.py     social clusters found in the graph
embedding.py      a vector of each one's place in it measure.py      measured properties of a world and of its logs
wants.py          whom a searcher wants              queries.py      what the searcher types (misspelling.py)
sessions.py       what the engine shows              clicks.py       what is clicked
activity.py       what happens outside search        log_writer.py   the tables on disk
derive_tables.py  makes data/ from its sources

shop.py           ShopWorld: generate, documents, searchers, write_logs, relevant
shop_catalogue.py what is sold (shop_words.py)       shop_tastes.py   what a searcher likes, on which day
shop_sessions.py  who browses and searches when      shop_queries.py  what is typed, and what it asks for
shop_titles.py    titles, descriptions, pictures     shop_clicks.py   clicks, visits, purchases
shop_logs.py      the tables on disk                 shop_measure.py  measured properties of its logs
"""

from alicorn.worlds.people import SIZES, PeopleWorld
from alicorn.worlds.people import VERTICAL as PEOPLE_VERTICAL
from alicorn.worlds.sessions import Engine
from alicorn.worlds.shop import SHOP_SIZES, ShopWorld
from alicorn.worlds.shop import VERTICAL as SHOP_VERTICAL

__all__ = ["PEOPLE_VERTICAL", "SHOP_SIZES", "SHOP_VERTICAL", "SIZES", "Engine", "PeopleWorld", "ShopWorld"]
