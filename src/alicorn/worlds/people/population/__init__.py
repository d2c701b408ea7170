"""Who lives in the people world, and who knows whom?

places.py        real cities by population             names.py       weighted real names, nicknames
communities.py   towns, schools, employers, groups     identities.py  who is called what, where they studied and work
graph.py         the friend graph                      clusters.py    social clusters found in the graph
embedding.py     each person's place in the graph      derive_tables.py  makes data/ from its sources
"""
