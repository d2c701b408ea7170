"""What does a query ask for that it does not name? Intents learned from what was chosen.

classifier.py  a text -> terms that the wanted documents have, each with its probability; NumPy alone
vectors.py     vectors of n-grams and of terms, learned together (torch)
thresholds.py  from odds to probabilities, and to what is confident
learning.py    the classifier from pairs: learned on train, calibrated and cut at a stated precision on valid
"""

from alicorn.intents.classifier import IntentClassifier as IntentClassifier
