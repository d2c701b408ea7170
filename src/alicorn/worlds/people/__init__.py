"""The people world: a town directory with friends (docs/people-world.md).

population/    who lives there, and who knows whom
searching/     what they search, see and click
log_writer.py  the tables on disk
world.py       PeopleWorld: generate, documents, searchers, write_logs
"""
