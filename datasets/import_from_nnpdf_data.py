"""Write the datasets shipped with the project from the numbers in the installed ``nnpdf-data`` package.

Run as ``python datasets/import_from_nnpdf_data.py`` in an environment with ``pip install nnpdf-data==4.1.5``.
It writes one folder per set in the commondata layout beside this script, and the K-factors the sets need in
``theory_grids/nnlo/cfactor``. Files keep the layout but not the spelling: the data files are JSON, which is valid
YAML, with one data point per line, so that they are small, quick to read and give readable differences.
"""

import importlib.metadata
import importlib.util
import json
from pathlib import Path

import yaml

SOURCE_VERSION = "4.1.5"
HERE = Path(__file__).parent
CFACTOR_FOLDER = HERE.parent / "theory_grids" / "nnlo" / "cfactor"
CFACTORS = ("CF_MAS_NUTEV_CC_NB_FE_SIGMARED.dat", "CF_MAS_NUTEV_CC_NU_FE_SIGMARED.dat")

LEGACY = ("legacy",)
LEGACY_DW = ("legacy", "legacy_dw")

# set -> {observable: variants}; a set's default, where it has one, always comes along.
SETS = {
    "NMC_NC_NOTFIXED": {"EM-F2": LEGACY_DW},
    "NMC_NC_NOTFIXED_P": {"EM-SIGMARED": LEGACY},
    "SLAC_NC_NOTFIXED_P": {"EM-F2": LEGACY_DW},
    "SLAC_NC_NOTFIXED_D": {"EM-F2": LEGACY_DW},
    "BCDMS_NC_NOTFIXED_P": {"EM-F2": LEGACY_DW},
    "BCDMS_NC_NOTFIXED_D": {"EM-F2": LEGACY_DW},
    "CHORUS_CC_NOTFIXED_PB": {"NU-SIGMARED": LEGACY_DW, "NB-SIGMARED": LEGACY_DW},
    "NUTEV_CC_NOTFIXED_FE": {"NU-SIGMARED": LEGACY_DW, "NB-SIGMARED": LEGACY_DW},
    "HERA_NC_225GEV": {"EP-SIGMARED": LEGACY},
    "HERA_NC_251GEV": {"EP-SIGMARED": LEGACY},
    "HERA_NC_300GEV": {"EP-SIGMARED": LEGACY},
    "HERA_NC_318GEV": {"EM-SIGMARED": LEGACY, "EP-SIGMARED": LEGACY},
    "HERA_CC_318GEV": {"EM-SIGMARED": LEGACY, "EP-SIGMARED": LEGACY},
    "HERA_NC_318GEV_EAVG": {"CHARM-SIGMARED": LEGACY, "BOTTOM-SIGMARED": LEGACY},
    "NNPDF_POS_2P24GEV": dict.fromkeys(
        ("F2U", "F2D", "F2S", "F2C", "FLL", "XUQ", "XUB", "XDQ", "XDB", "XSQ", "XSB", "XCQ", "XGL"), ()
    ),
    "NNPDF_INTEG_3GEV": dict.fromkeys(("XV", "XV3", "XV8", "XT3", "XT8"), ()),
}


def source_folder() -> Path:
    """Return the folder of the installed nnpdf-data package, which must be the version the shipped numbers quote."""
    spec = importlib.util.find_spec("nnpdf_data")
    if spec is None:
        raise SystemExit(f"nnpdf-data is not installed: pip install nnpdf-data=={SOURCE_VERSION}")
    found = importlib.metadata.version("nnpdf-data")
    if found != SOURCE_VERSION:
        raise SystemExit(f"nnpdf-data {found} is installed, {SOURCE_VERSION} is expected")
    return Path(next(iter(spec.submodule_search_locations)))


def number(value: float) -> str:
    """Write a number so that JSON, YAML 1.1 and YAML 1.2 read the same one: an exponent needs a point before it."""
    text = repr(value)
    mantissa, exponent_mark, exponent = text.partition("e")
    if exponent_mark and "." not in mantissa:
        mantissa += ".0"
    return mantissa + exponent_mark + exponent


def compact(value: object) -> str:
    """Write a value as JSON on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {compact(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(compact, value)) + "]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    return json.dumps(value)


def data_text(document: dict) -> str:
    """Write a data document as JSON with one entry of each top-level list or mapping per line."""
    blocks = []
    for key, entries in document.items():
        if isinstance(entries, dict):
            lines = [f"{json.dumps(name)}: {compact(entry)}" for name, entry in entries.items()]
            opening, closing = "{", "}"
        else:
            lines = [compact(entry) for entry in entries]
            opening, closing = "[", "]"
        blocks.append(f"{json.dumps(key)}: {opening}\n" + ",\n".join(lines) + f"\n{closing}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def trimmed(observable: dict, variants: tuple[str, ...]) -> dict:
    """Return the metadata of an observable with only the variants that are shipped."""
    kept = {name: observable["variants"][name] for name in variants}
    return {**observable, "variants": kept} if kept else {k: v for k, v in observable.items() if k != "variants"}


def data_files(observable: dict) -> set[str]:
    """Return the names of every data file an observable and its variants refer to."""
    entries = [observable, *observable.get("variants", {}).values()]
    names = {observable["kinematics"]["file"]}
    for entry in entries:
        names.update(entry.get("data_uncertainties") or [])
        if entry.get("data_central"):
            names.add(entry["data_central"])
    return names


def read(path: Path) -> dict:
    """Read one YAML file of the package."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def write_set(source: Path, setname: str, observables: dict) -> None:
    """Write one set: its metadata, trimmed, and the data files the metadata names."""
    metadata = read(source / "metadata.yaml")
    by_name = {entry["observable_name"]: entry for entry in metadata["implemented_observables"]}
    metadata["implemented_observables"] = [trimmed(by_name[name], variants) for name, variants in observables.items()]
    folder = HERE / setname
    folder.mkdir(exist_ok=True)
    text = yaml.safe_dump(metadata, sort_keys=False, default_flow_style=None, width=118, allow_unicode=True)
    (folder / "metadata.yaml").write_text(text, encoding="utf-8")
    for name in sorted(set().union(*map(data_files, metadata["implemented_observables"]))):
        (folder / name).write_text(data_text(read(source / name)), encoding="utf-8")


def main() -> None:
    """Write every set and K-factor."""
    package = source_folder()
    for setname, observables in SETS.items():
        write_set(package / "commondata" / setname, setname, observables)
    CFACTOR_FOLDER.mkdir(parents=True, exist_ok=True)
    for name in CFACTORS:
        (CFACTOR_FOLDER / name).write_bytes((package / "cfactors" / name).read_bytes())


if __name__ == "__main__":
    main()
