"""The people world: a town directory with friends (docs/people-world.md).

world.py          PeopleWorld: generate, documents, searchers, write_logs
places.py         real cities by population          names.py        weighted real names, nicknames
communities.py    towns, schools, employers, groups  identities.py   who is called what, where they studied and work
graph.py          the friend graph                   clusters.py     social clusters found in the graph
embedding.py      a vector of each one's place in it measure.py      measured properties of a world and of its logs
wants.py          whom a searcher wants              queries.py      what the searcher types (misspelling.py)
sessions.py       what the engine shows              clicks.py       what is clicked
activity.py       what happens outside search        log_writer.py   the tables on disk
derive_tables.py  makes data/ from its sources
"""
