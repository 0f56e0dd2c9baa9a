"""The words of the commondata format: processes and their variables, keys, names of sets and of uncertainties.

Processes and variables are those of nnpdf-data 4.1.5 (github.com/NNPDF/nnpdf, ``process_options.py``).
"""

import re
from dataclasses import dataclass

#: Variables that may stand in the kinematics of a process, the axis of a figure first; sqrts may always be given.
_DIS = ("x", "Q2", "y", "Q")
_BOSON = ("y", "abs_y", "eta", "abs_eta", "m_W2", "m_Z2", "m_V2", "m_ll", "m_ll2", "M2")
_BOSON_PT = ("pT", "m_W2", "m_Z2", "m_ll2", "m_ll", "y")
_TOP = ("y_t", "y_ttBar", "pT_t", "m_ttBar", "m_t2")
_JET_DIS = ("pT", "ET", "Q2")


@dataclass(frozen=True)
class Process:
    """What NNPDF's older tools call a process, and the variables it may have."""

    family: str
    variables: tuple[str, ...]


PROCESSES = {
    **dict.fromkeys(("DIS", "DIS_NC", "DIS_NCE", "DIS_NC_CHARM", "DIS_NC_BOTTOM", "DIS_POL"), Process("DIS NC", _DIS)),
    "DIS_CC": Process("DIS CC", _DIS),
    "HERAJET": Process("HERAJET", _JET_DIS),
    "HERADIJET": Process("HERADIJET", _JET_DIS),
    "JET": Process("JETS", ("pT", "y", "pT2")),
    "JET_POL": Process("JETS", ("pT", "eta", "abs_eta")),
    "DIJET": Process("DIJET", ("m_jj", "ystar", "ydiff", "ymax")),
    "DIJET_3D": Process("DIJET", ("pTavg", "m_jj", "ystar", "ydiff", "ymax", "yb")),
    "DIJET_POL": Process("DIJET", ("m_jj", "eta_1", "eta_2", "abs_eta_1", "abs_eta_2")),
    "SHP_ASY": Process("SHP", ("pT", "eta")),
    "PHT": Process("PHOTON", ("ET", "eta")),
    "INC": Process("INC", ("zero", "m_W2", "m_Z2", "m_t2", "m_ll")),
    "SINGLETOP": Process("SINGLETOP", ("y_t", "m_t2", "pT_t")),
    **dict.fromkeys(("HQP_YQ", "HQP_YQQ", "HQP_PTQ", "HQP_MQQ"), Process("TOP", _TOP)),
    **dict.fromkeys(("DY_Z_Y", "DYP_FT"), Process("DY NC", _BOSON)),
    "DY_MLL": Process("DY NC", ("m_ll", "y")),
    **dict.fromkeys(("DY_W_ETA", "DY_VB_ETA"), Process("DY CC", _BOSON)),
    "DY_NC_PT": Process("DY NC", _BOSON_PT),
    "DY_CC_PT": Process("DY CC", _BOSON_PT),
    "DY_NC_PTRAP": Process("DY NC", (*_BOSON_PT, "abs_y", "eta")),
    **dict.fromkeys(("POS_XPDF", "POS_DIS", "POS_DY", "POS_POL"), Process("POSITIVITY", ("x", "Q2", "y"))),
    "INTEG": Process("INTEGRABILITY", ("x", "Q2")),
}

#: What is known of variables: LaTeX, unit, description.
VARIABLES = {
    "x": ("$x$", "", "Bjorken x"),
    "Q2": ("$Q^2$", "$GeV^2$", "Momentum transfer squared"),
    "Q": ("$Q$", "$GeV$", "Momentum transfer"),
    "y": ("$y$", "", "Inelasticity, or rapidity"),
    "sqrts": (r"$\sqrt{s}$", "$GeV$", "Centre-of-mass energy"),
    "pT": ("$p_T$", "$GeV$", "Transverse momentum"),
    "ET": ("$E_T$", "$GeV$", "Transverse energy"),
    "eta": (r"$\eta$", "", "Pseudorapidity"),
    "abs_eta": (r"$|\eta|$", "", "Absolute pseudorapidity"),
    "abs_y": ("$|y|$", "", "Absolute rapidity"),
    "m_ll": (r"$m_{\ell\ell}$", "$GeV$", "Mass of the lepton pair"),
    "m_jj": ("$m_{jj}$", "$GeV$", "Mass of the dijet"),
    "m_ttBar": (r"$m_{t\bar t}$", "$GeV$", "Mass of the top pair"),
    "y_ttBar": (r"$y_{t\bar t}$", "", "Rapidity of the top pair"),
    "y_t": ("$y_t$", "", "Rapidity of the top quark"),
    "pT_t": ("$p_T^t$", "$GeV$", "Transverse momentum of the top quark"),
}

TREATMENTS = ("ADD", "MULT")
#: Types with a meaning; any other name correlates the points of all sets that have a source of that name.
TYPES = ("UNCORR", "CORR", "THEORYUNCORR", "THEORYCORR", "SKIP")
#: What people write for them.
TYPE_HINTS = {
    "UNCOR": "UNCORR", "UNCORRELATED": "UNCORR", "UNC": "UNCORR", "COR": "CORR", "CORRELATED": "CORR", "CORRE": "CORR",
    "FULLCORR": "CORR", "IGNORE": "SKIP",
}  # fmt: skip

#: Keys of metadata.yaml with what they hold; those of True are required.
SET_KEYS = {
    "setname": (str, True), "version": (int, True), "version_comment": (str, True), "nnpdf_metadata": (dict, True),
    "implemented_observables": (list, True), "arXiv": (dict, False), "iNSPIRE": (dict, False), "hepdata": (dict, False),
}  # fmt: skip
OBSERVABLE_KEYS = {
    "observable_name": (str, True), "observable": (dict, True), "process_type": (str, True), "ndata": (int, True),
    "plotting": (dict, True), "kinematic_coverage": (list, True), "kinematics": (dict, True),
    "data_central": (str, False), "data_uncertainties": (list, True), "theory": (dict, False),
    "variants": (dict, False), "tables": (list, False), "npoints": (list, False), "ported_from": (str, False),
}  # fmt: skip
VARIANT_KEYS = {
    "data_uncertainties": (list, False), "data_central": (str, False), "theory": (dict, False),
    "experiment": (str, False),
}  # fmt: skip
THEORY_KEYS = {
    "FK_tables": (list, True), "operation": (str, False), "conversion_factor": ((int, float), False),
    "shifts": (dict, False), "normalization": (dict, False), "comment": (str, False),
}  # fmt: skip
REFERENCE_KEYS = {
    "url": (str, True), "journal": (str, False), "version": (int, False), "tables": (list, False),
}  # fmt: skip
PLOTTING_KEYS = {
    "plot_x": (str, True),
    **dict.fromkeys(
        ("dataset_label", "experiment", "nnpdf31_process", "data_reference", "theory_reference", "process_description",
         "y_label", "x_label", "x_scale", "y_scale", "kinematics_override", "result_transform", "x"), (str, False),
    ),
    **dict.fromkeys(("line_by", "figure_by"), (list, False)),
    **dict.fromkeys(("func_labels", "extra_labels", "normalize"), (dict, False)),
}  # fmt: skip

NAME_RULE = "EXPERIMENT_PROCESS_ENERGY[_MORE]_OBSERVABLE, such as HERA_NC_318GEV_EP-SIGMARED"
_NAME = re.compile(
    r"[A-Z0-9-]+_[A-Z0-9]+_(?P<energy>\d+(?:P\d+)?(?:GEV|TEV)|NOTFIXED)(?:_[A-Za-z0-9-]+)*_[A-Za-z0-9-]+"
)


def name_mistake(name: str) -> str:
    """Say what is wrong with the full name of a dataset, or return an empty string."""
    if _NAME.fullmatch(name):
        return ""
    parts = name.split("_")
    if len(parts) < 4:
        return f"'{name}' has {len(parts)} part{'s' * (len(parts) > 1)} between underscores, expected four or more: {NAME_RULE}"
    if not re.fullmatch(r"\d+(P\d+)?(GEV|TEV)|NOTFIXED", parts[2]):
        hint = re.fullmatch(r"(\d+)[.,]?(\d*)\s*([GT]EV)", parts[2], re.IGNORECASE)
        better = f" Did you mean '{hint[1]}{'P' + hint[2] if hint[2] else ''}{hint[3].upper()}'?" if hint else ""
        return f"'{name}': its third part is '{parts[2]}', expected an energy such as 318GEV, 13TEV, 8P16TEV or NOTFIXED.{better}"
    odd = next((part for part in parts if not re.fullmatch(r"[A-Za-z0-9-]+", part)), parts[0])
    return f"'{name}': '{odd}' is not made of capitals, digits and '-'; expected {NAME_RULE}"
