"""Print the reference of all keys, ``python -m nnpdf_lite.runcard > docs/runcard.md``, or n3fit's: ``... n3fit``."""

import sys

from . import reference
from .n3fit_keys import markdown

print(markdown() if sys.argv[1:] == ["n3fit"] else reference(), end="")
