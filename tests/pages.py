"""The pages of the documentation as tests read them: their fenced blocks, and which of them tests follow."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: Sections whose blocks a test follows, (page, title); the title of what stands above the first is empty.
FOLLOWED: set[tuple[str, str]] = set()


def sections(page):
    """Return the fenced blocks of a page by the title of their section: {title: [(language, text), ...]}."""
    text = "## \n" + (ROOT / page).read_text(encoding="utf-8")
    parts = re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", text, re.MULTILINE)
    return {title: FENCED.findall(part) for title, part in parts}


def blocks(page, *titles):
    """Return the fenced blocks of a page, or of its sections of these titles, in their order."""
    found = sections(page)
    return [block for title in titles or found for block in found[title]]


def take(page, *titles):
    """Return the same ``blocks`` for a test that follows all of them, and remember that there is one."""
    FOLLOWED.update((page, title) for title in titles or sections(page))
    return blocks(page, *titles)


def follows(page, *titles):
    """Give a test the blocks to follow, as the argument ``found``; where there is no such page, it is skipped."""
    if not (ROOT / page).is_file():
        return pytest.mark.skip(reason="not a checkout")
    return pytest.mark.parametrize("found", [pytest.param(take(page, *titles), id=page)])
