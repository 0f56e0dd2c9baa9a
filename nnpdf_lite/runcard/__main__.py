"""Print the reference of all keys: ``python -m nnpdf_lite.runcard > docs/runcard.md``."""

from . import reference

print(reference(), end="")
