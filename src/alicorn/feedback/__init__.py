"""What do people say? What was served and chosen, written as log tables that `alicorn mine` reads. Before serving/.

served_log.py   searches, the documents they showed, and clicks -> the table `impressions`
choices.py      which documents a searcher chose for which words, remembered for some days
journal.py      the searches that may still get a click, kept over a crash
"""

from alicorn.feedback.served_log import ServedLog as ServedLog
