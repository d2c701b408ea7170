"""How much is taken on at once, and for how long?

admission.py    a request that would wait too long is refused at once
refusals.py     the whole answer to such a request, as bytes
degradation.py  what a search leaves out where requests wait
deadline.py     when an answer is no longer wanted
connections.py  bounded headers, and time for them
unread_bodies.py  bodies that came too late for their answer
"""
