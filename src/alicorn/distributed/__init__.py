"""How does work leave one machine? Batch jobs over part files, by the engines that teams run already.

batch/      a job over the row groups of a table, run here, on Ray or on Spark
"""
