"""Evolution of PDFs and of alpha_s: one solution of the DGLAP equations for theory tables and for LHAPDF output.

Owns HOPPET, whose state is global to a process: no other part may import it. The equations are solved exactly, at the
order, masses and coupling of a theory card. May import: ``errors``, ``flavours``.
"""

from .hoppet_evolution import PARTON_PIDS, X_MIN, Evolution
from .interpolation import interpolation_matrix
from .settings import Q_MAX, EvolutionSettings

__all__ = ["PARTON_PIDS", "Q_MAX", "X_MIN", "Evolution", "EvolutionSettings", "interpolation_matrix"]
