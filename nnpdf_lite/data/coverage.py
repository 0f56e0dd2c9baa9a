"""Where in (x, Q2) a measurement looks at the PDFs."""

import re

import numpy as np
import pandas as pd

from .dataset import Dataset

#: Variables that set the scale of a process, the first present counts: name -> power that makes it GeV^2.
SCALES = {
    "Q2": 1, "M2": 1, "m_W2": 1, "m_Z2": 1, "m_V2": 1, "m_ll2": 1, "m_ll": 2, "m_jj": 2, "m_ttBar": 2, "pTavg": 2, "pT": 2,
    "ET": 2, "m_t2": 1,
}  # fmt: skip
RAPIDITIES = ("y", "abs_y", "eta", "abs_eta", "y_t", "y_ttBar", "ystar", "yb", "ymax")
_ENERGY = re.compile(r"_(\d+(?:P\d+)?)(TEV|GEV)(?:_|$)")


def x_and_q2(dataset: Dataset) -> pd.DataFrame | None:
    """Return where each point is in x and Q2 (GeV^2), columns ``x``, ``q2``; None when the kinematics do not tell.

    DIS points are where they are. A point of a hadron collision has two entries, ``x = M / sqrt(s) exp(+-y)`` at
    leading order, with the mass M and rapidity y of what is produced (y = 0 where it is integrated over).
    """
    kinematics = dataset.kinematics
    scale = next((name for name in SCALES if name in kinematics), None)
    if scale is None:
        return None
    q2 = kinematics[scale].to_numpy() ** SCALES[scale]
    if "x" in kinematics:
        return pd.DataFrame({"x": kinematics["x"].to_numpy(), "q2": q2})
    energy = _energy(dataset)
    if energy is None:
        return None
    rapidity = next((kinematics[name].to_numpy() for name in RAPIDITIES if name in kinematics), np.zeros(len(q2)))
    x = np.sqrt(q2) / energy * np.exp(np.concatenate([rapidity, -rapidity]).reshape(2, -1))
    return pd.DataFrame({"x": np.minimum(x, 1.0).ravel(), "q2": np.tile(q2, 2)})


def _energy(dataset: Dataset) -> np.ndarray | float | None:
    """Return sqrt(s) in GeV, from the kinematics or else from the name of the set."""
    if "sqrts" in dataset.kinematics:
        return dataset.kinematics["sqrts"].to_numpy()
    match = _ENERGY.search(dataset.name)
    return float(match[1].replace("P", ".")) * (1000 if match[2] == "TEV" else 1) if match else None
