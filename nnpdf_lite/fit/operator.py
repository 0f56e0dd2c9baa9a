"""The operator that training meets: whitened data, constraints and what is not linear, on one set of nodes.

With ``C = L L^T`` the linear predictions become ``L^-1 A``, so residuals have unit covariance and a training mask is a
choice of rows. Points whose prediction is not linear come last, where ``L^-1`` is lower triangular: their columns reach
the last rows only.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from ..pdf.parametrisation import columns_to_evolution
from ..pdf.quadrature import integration_nodes
from ..theory import DatasetTheory, common_xgrid
from ..theory.predictions import LINEAR_OPERATIONS, OPERATIONS, Operand, nodes_in
from .problem import Constraint, Problem
from .two_hadrons import BilinearForm, allowed_changes, factorise


@dataclass(frozen=True)
class Observable:
    """A set of points computed from the PDFs by an operation between operands.

    Each operand is either a slice of the stacked linear rows or a bilinear form of two hadrons.
    """

    operation: str
    operands: tuple[slice | BilinearForm, ...]


@dataclass(frozen=True)
class Penalty:
    """Constraint sets stacked: which observables, which points belong to which set, and the multipliers' goal."""

    observables: tuple[Observable, ...]
    membership: np.ndarray
    maxlambda: np.ndarray


@dataclass(frozen=True)
class Compression:
    """The whitened data rows as a product ``left @ right`` of low rank r.

    Attributes
    ----------
    right : (r, K J) array
    left : (N, r) array
    error : float
        Bound on the effect on any prediction, in units of its experimental uncertainty (``compress``).
    """

    right: np.ndarray
    left: np.ndarray
    error: float


@dataclass(frozen=True)
class Operator:
    """All that maps ``x f`` of the K fitted columns on J FK nodes to whitened data and constraints.

    Attributes
    ----------
    x : (X,) array
        Nodes of the network: the J FK nodes first, then those only the sum rules need.
    n_fk : int
        J.
    rows : (M, K J) array
        The N whitened data rows, then the linear operands of everything else; columns run (column, node).
    n_data : int
        N.
    nonlinear : tuple of Observable
        Predictions of the last points.
    mixing : (n, n) array
        Block of ``L^-1`` that whitens them.
    positivity, integrability : Penalty
    compression : Compression or None
        Stands in for the whitened data rows when given.
    """

    x: np.ndarray
    n_fk: int
    rows: np.ndarray
    n_data: int
    nonlinear: tuple[Observable, ...]
    mixing: np.ndarray
    positivity: Penalty
    integrability: Penalty
    compression: Compression | None = None

    @property
    def n_nonlinear(self) -> int:
        """Points whose prediction is not linear."""
        return len(self.mixing)

    @property
    def whitened(self) -> np.ndarray:
        """Whitened data rows acting on ``x f`` (N, K J), or on its r compressed components (N, r)."""
        return self.rows[: self.n_data] if self.compression is None else self.compression.left


class _Rows:
    """Collects linear rows in the fitted columns and on the common nodes."""

    def __init__(self, x: np.ndarray, columns: tuple[str, ...], q0: float, tolerance: float):
        self.x, self.to_evolution = x, columns_to_evolution(columns)
        self.q0, self.tolerance = q0, tolerance
        self.blocks: list[np.ndarray] = []
        self.count = 0

    def placement(self, operand: Operand) -> np.ndarray:
        """(X, J) matrix that takes ``x f`` on the common nodes to f on the operand's; f(1) = 0 has no column."""
        inside = operand.x < 1
        matrix = np.zeros((len(operand.x), len(self.x)))
        matrix[inside, nodes_in(operand.x[inside], self.x)] = 1 / operand.x[inside]
        return matrix

    def matrix(self, operand: Operand) -> np.ndarray:
        """(n, K J) matrix of a one-hadron operand acting on x f."""
        basis = self.to_evolution[operand.channels[:, 0]]
        out = np.einsum("ncx,ck,xi->nki", operand.table, basis, self.placement(operand), optimize=True)
        return out.reshape(len(out), -1)

    def bilinear(self, operand: Operand) -> np.ndarray:
        """(n, K J, K J) form of a two-hadron operand acting on x f twice."""
        first, second = (self.to_evolution[operand.channels[:, hadron]] for hadron in (0, 1))
        place = self.placement(operand)
        out = np.einsum("ncxy,ck,cl,xi,yj->nkilj", operand.table, first, second, place, place, optimize=True)
        return out.reshape(len(out), first.shape[1] * len(self.x), -1)

    def add(self, matrix: np.ndarray) -> slice:
        """Append rows and return where they lie."""
        self.blocks.append(matrix)
        self.count += len(matrix)
        return slice(self.count - len(matrix), self.count)

    def observable(self, theory: DatasetTheory, sigma: np.ndarray | None = None) -> Observable:
        """Append a set's one-hadron operands, and the rows its two-hadron ones share.

        ``sigma`` (n,): experimental uncertainties, None for constraints.
        """
        two_hadrons = any(operand.n_hadrons == 2 for operand in theory.operands)
        allowed = allowed_changes(theory, self.q0, sigma) if two_hadrons else [np.empty(0)] * len(theory.operands)
        operands = [
            self.add(self.matrix(operand)) if operand.n_hadrons == 1 else self.form(operand, change)
            for operand, change in zip(theory.operands, allowed)
        ]
        return Observable(theory.operation, tuple(operands))

    def form(self, operand: Operand, allowed: np.ndarray) -> BilinearForm:
        """Factorise a two-hadron operand; its predictions may change by ``tolerance * allowed`` (n,)."""
        size = _largest_pdfs(self.x, self.to_evolution.shape[1])
        rows, cores, error = factorise(self.bilinear(operand), size, allowed, self.tolerance)
        return BilinearForm(self.add(rows), cores, error)


def _largest_pdfs(nodes: np.ndarray, n_columns: int) -> np.ndarray:
    """Return ``2 x^-0.2 (1-x)^2`` on the nodes of every column: the singlet at Q0 stays below."""
    return np.tile(2 * nodes**-0.2 * (1 - nodes) ** 2, n_columns)


def build_operator(problem: Problem, columns: tuple[str, ...], tolerance: float = 0.0) -> Operator:
    """Whiten and stack the theory of a problem in the fitted ``columns``.

    Linear rows are exact (``compress`` follows); what two hadrons predict may change by ``tolerance`` times the experimental
    uncertainty.
    """
    constraints = problem.positivity + problem.integrability
    grids = [t.x for t in problem.theories] + [c.theory.x for c in constraints]
    fk_nodes = common_xgrid(grids)
    fk_nodes = fk_nodes[fk_nodes < 1]  # f(1) = 0
    x = np.concatenate([fk_nodes, np.setdiff1d(integration_nodes(fk_nodes), fk_nodes)])
    rows = _Rows(fk_nodes, columns, problem.card.q0, tolerance)
    linear = [_linear_matrix(theory, rows) for theory in problem.theories if theory.is_linear]
    width = len(columns) * len(fk_nodes)
    unwhitened = np.concatenate([*linear, np.zeros((problem.n_nonlinear, width))])
    rows.add(solve_triangular(problem.cholesky, unwhitened, lower=True))
    first = problem.n_data - problem.n_nonlinear
    corner = problem.cholesky[first:, first:]
    sigma = np.linalg.norm(problem.cholesky[first:], axis=1)
    theories = [theory for theory in problem.theories if not theory.is_linear]
    ends = np.cumsum([len(theory.operands[0].table) for theory in theories]).astype(int)
    nonlinear = tuple(rows.observable(theory, part) for theory, part in zip(theories, np.split(sigma, ends)))
    positivity, integrability = _penalty(problem.positivity, rows), _penalty(problem.integrability, rows)
    return Operator(
        x=x,
        n_fk=len(fk_nodes),
        rows=np.concatenate(rows.blocks),
        n_data=problem.n_data,
        nonlinear=nonlinear,
        mixing=solve_triangular(corner, np.eye(problem.n_nonlinear), lower=True),
        positivity=positivity,
        integrability=integrability,
    )


def compress(operator: Operator, problem: Problem, tolerance: float) -> Operator:
    """Replace the whitened rows by a product of low rank that changes no prediction by more than ``tolerance`` sigma.

    The singular values of the whitened operator fall fast: 3089 DIS points carry some 250 numbers. What is dropped is
    bounded, in units of each point's experimental uncertainty, for every PDF with ``|x f| < 2 x^-0.2 (1-x)^2``, whatever
    its shape. ``tolerance`` 0 leaves the operator exact.
    """
    if tolerance <= 0:
        return operator
    n, nodes = operator.n_data, operator.x[: operator.n_fk]
    size = _largest_pdfs(nodes, operator.rows.shape[1] // len(nodes))
    u, s, vt = np.linalg.svd(operator.rows[:n] * size, full_matrices=False)
    sigma = np.linalg.norm(problem.cholesky, axis=1)
    dropped = np.cumsum(((problem.cholesky @ (u * s)) ** 2)[:, ::-1], axis=1)[:, ::-1]  # if rank were 0, 1, ...
    longest = np.sqrt(len(size))  # of a PDF within the bound, in units of ``size``
    errors = np.append(longest * (np.sqrt(dropped) / sigma[:, None]).max(axis=0), 0.0)
    rank = int(np.argmax(errors <= tolerance))
    compression = Compression(vt[:rank] / size, u[:, :rank] * s[:rank], float(errors[rank]))
    return replace(operator, compression=compression)


def _linear_matrix(theory: DatasetTheory, rows: _Rows) -> np.ndarray:
    assert theory.operation in LINEAR_OPERATIONS
    return OPERATIONS[theory.operation][1](*(rows.matrix(operand) for operand in theory.operands))


def _penalty(constraints: tuple[Constraint, ...], rows: _Rows) -> Penalty:
    sizes = [len(constraint.theory.operands[0].table) for constraint in constraints]
    membership = np.repeat(np.eye(len(constraints)), sizes, axis=0)
    observables = tuple(rows.observable(constraint.theory) for constraint in constraints)
    return Penalty(observables, membership, np.array([constraint.maxlambda for constraint in constraints]))
