"""What is a training example on disk? The folder pairs/, which `mine` writes and training and evaluation read.

schema.py    the tables: columns and types          manifest.py  of which data and vertical the folder was made
writer.py    PairsWriter: a folder that is whole or not there
folder.py    PairsFolder: the tables as every reader sees them
"""

from alicorn.pairs.folder import PairsFolder as PairsFolder
from alicorn.pairs.folder import is_pairs_folder as is_pairs_folder
from alicorn.pairs.manifest import Manifest as Manifest
from alicorn.pairs.writer import PairsWriter as PairsWriter
from alicorn.pairs.writer import new_folder as new_folder
