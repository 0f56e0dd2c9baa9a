"""MkDocs hook: the pages' links are those of the repository, and lead somewhere on the site as well.

A page may link to a file anywhere in the repository, as GitHub wants it: ``../theory_grids/README.md``. What stands
outside ``docs/`` and is linked to is taken into the site, pages as pages and all else as files.
"""

import os
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(\]\()(?!\w+:|#|/)([^)\s#]+)")
#: README.md is the repository's front page, index.md the site's; packages have their docstrings in the reference.
ELSEWHERE = {"README.md": "index.md"} | {
    f"nnpdf_lite/{package}": f"api/{package}.md" for package in ("ensembles", "closure", "results", "report", "runcard")
}


def on_files(files, config):
    """Take in what pages link to outside ``docs/``."""
    pages = [(f"docs/{page.src_uri}", Path(page.abs_src_path)) for page in files.documentation_pages()]
    for uri, path in pages:  # which grows: pages that are taken in have links of their own
        for _, target in LINK.findall(path.read_text(encoding="utf-8")):
            wanted = _resolved(uri, target)
            source = ROOT / wanted
            if wanted.startswith("docs/") or wanted in ELSEWHERE or not source.is_file() or files.get_file_from_path(wanted):
                continue
            files.append(File.generated(config, wanted, abs_src_path=str(source)))
            if source.suffix == ".md":
                files.get_file_from_path(wanted).inclusion = files.documentation_pages()[0].inclusion.NOT_IN_NAV
                pages.append((wanted, source))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn the repository's links into the site's."""
    uri = page.file.src_uri
    repository = f"docs/{uri}" if (Path(config.docs_dir) / uri).is_file() else uri

    def rewrite(match):
        wanted = _resolved(repository, match[2])
        target = ELSEWHERE.get(wanted, wanted.removeprefix("docs/"))
        return match[1] + posixpath.relpath(target, posixpath.dirname(uri) or ".")

    return LINK.sub(rewrite, markdown)


def _resolved(page, target):
    """Return a link's target by its path in the repository; README.md for a folder that has one."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
    return f"{path}/README.md" if os.path.isfile(ROOT / path / "README.md") else path
