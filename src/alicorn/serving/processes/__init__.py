"""How do several processes serve one collection? One owns it and writes; the others search it, and hand writes on.

part.py         which of them a process is, and what they share
shared.py       numbers that all of them see
following.py    a searching process sees what was written
forwarding.py   a searching process hands a write to the owner
supervisor.py   starts them, starts them again, restarts them one by one
child.py        the program of each
"""
