"""How do documents get into a collection, and change there?

documents.py     tables of documents as a collection takes them: selection, terms, vectors
publish.py       a table into a collection, new or existing
update.py        columns or vectors into a collection that has the documents; keys that go
rederive.py      terms and columns of a changed vertical into a collection, whose vectors stay
embeddings.py    embedding keys and dimensions of models and of tables
aliases.py       names of embedding keys, such as current
model_folders.py the models of a publish, as any process loads them
provenance.py    which models made the vectors of a collection
shard_search.py  exact search for the documents nearest to training requests
"""
