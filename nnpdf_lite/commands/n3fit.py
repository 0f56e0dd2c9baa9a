"""``validate --n3fit``: what becomes of a runcard written for n3fit, and which of its data could be fitted here."""

import argparse
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from ..fit.inventory import Inventory
    from ..runcard.n3fit_keys import Review


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb ``validate``."""
    parser.add_argument("--n3fit", action="store_true", help="list n3fit's keys that are not supported, and missing files")
    parser.add_argument("--write", metavar="FILE", help="with --n3fit: write the card that runs with what is there")


def run(options: argparse.Namespace) -> None:
    """Print the review of a card; a card that cannot be fitted as it is ends with exit code 2."""
    from ..fit.inventory import take_inventory
    from ..runcard.n3fit_keys import review

    target = Path(options.write) if options.write else None
    if target and target.exists():
        raise InputError(f"--write {target}: exists; nothing was written")
    found = review(options.runcard)
    inventory = take_inventory(found.data) if found.data else None
    if options.json:
        print(json.dumps(_summary(found, inventory)))
    else:
        print("\n".join(_lines(found, inventory)))
    if target:
        _write(target, found, inventory)
        print(f"\n{target}: the card that runs")
    elif not _runs(found, inventory):
        raise InputError(f"{found.source}: cannot be fitted as it is")


def _runs(found: "Review", inventory: "Inventory | None") -> bool:
    complete = inventory is not None and not inventory.problems and all(item.complete for item in inventory.items)
    return found.card is not None and not found.unsupported and complete


def _lines(found: "Review", inventory: "Inventory | None") -> list[str]:
    lines = [f"{found.source}: read as a runcard of n3fit"]
    if found.unsupported:
        lines += ["", "not supported:"] + [f"  {place}: {key.note}" for place, key in found.unsupported]
    if found.mistakes:
        lines += ["", "refused:"] + [f"  {line.strip()}" for line in found.mistakes.splitlines()]
    if found.different:
        notes: dict[str, list[str]] = {}
        for key in found.different:
            notes.setdefault(key.note, []).append(key.path)
        lines += ["", "different here:"] + [f"  {', '.join(paths)}: {note}" for note, paths in notes.items()]
    return lines + (["", *_data_lines(inventory)] if inventory else [])


def _data_lines(inventory: "Inventory") -> list[str]:
    from ..theory.missing import count, grouped

    data = inventory.of("dataset_inputs")
    complete = [item for item in data if item.complete]
    others = [item for item in inventory.items if item.key != "dataset_inputs"]
    kept, points = sum(item.points for item in complete), sum(item.points for item in data)
    lines = [f"theory: {inventory.theory or 'not there'}"]
    lines.append(
        f"complete: {len(complete)} of {len(data)} datasets, {kept} of {points} points; "
        f"{sum(item.complete for item in others)} of {len(others)} constraints"
    )
    lines += [f"problem: {text}" for text in [*inventory.problems, *(i.problem for i in inventory.items if i.problem)]]
    if inventory.missing:
        lines.append(f"missing: {count(inventory.missing)}")
        if inventory.theory:  # else it is all of them
            for line in grouped(inventory.missing, most=None).splitlines():
                lines += textwrap.wrap(line, 118, subsequent_indent="    ", break_on_hyphens=False)
    return lines


def _summary(found: "Review", inventory: "Inventory | None") -> dict:
    items = inventory.items if inventory else ()
    return {
        "runcard": str(found.source),
        "runs": _runs(found, inventory),
        "not_supported": {place: key.note for place, key in found.unsupported},
        "refused": found.mistakes.splitlines(),
        "different": {key.path: key.note for key in found.different},
        "theory": str(inventory.theory) if inventory and inventory.theory else None,
        "problems": list(inventory.problems) if inventory else [],
        "sets": [
            {"key": i.key, "name": i.name, "points": i.points, "missing": list(i.missing), "problem": i.problem} for i in items
        ],
    }


def _write(target: Path, found: "Review", inventory: "Inventory | None") -> None:
    from ..fit.inventory import runnable

    if found.card is None or inventory is None:
        raise InputError(f"{found.source}: no card can be made of it before what is refused above is corrected")
    text = runnable(found.card, inventory).dump()
    left = [f"{place} ({key.note})" for place, key in found.unsupported]
    left += [f"{item.name} (missing: {', '.join(item.missing) or item.problem})" for item in inventory.items if not item.complete]
    header = [f"# {found.source.name} without what is not supported or not there:", *(f"#   {one}" for one in left)]
    target.write_text("\n".join(header) + "\n" + text, encoding="utf-8")
