"""The reference pages: ``python -m nnpdf_lite.runcard > docs/runcard.md``; n3fit's keys in a page that ends with them:
``python -m nnpdf_lite.runcard docs/from-n3fit.md``."""

import sys
from pathlib import Path

from . import reference
from .n3fit_keys import TABLE_HEAD, markdown

if pages := sys.argv[1:]:
    page = Path(pages[0])
    text, head, _ = page.read_text().partition(TABLE_HEAD)
    if not head:
        sys.exit(f"{page}: has no table of n3fit's keys to replace; expected docs/from-n3fit.md")
    page.write_text(text + markdown())
else:
    print(reference(), end="")
