"""How does a run go? From pairs/ and a recipe to a model folder.

train.py       train(): what is refused, what is written        run.py  stages, epochs, batches, early stop
history.py     an epoch, a finished run, history.json          checkpoint.py  resume to the same bits
optimizer.py   Adam or Adagrad; row-wise Adagrad over tables   mining.py      offline hard negatives between stages
validation.py  recall by exact search, ROC AUC                 divergence.py  training that went wrong, in one sentence
progress.py    what a person sees                              channel_balance.py  how much each channel counts at first
"""
