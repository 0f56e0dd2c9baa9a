"""Conditions and formulas written as text in cut rules, evaluated for all points of a set at once.

Only what is listed here is allowed; the text is never run as Python.
"""

import ast
import itertools
from collections.abc import Mapping

import numpy as np

from ..errors import InputError, nearest

FUNCTIONS = {"sqrt": np.sqrt, "log": np.log, "exp": np.exp, "fabs": np.fabs, "abs": np.abs}

_ARITHMETIC = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_COMPARISON = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_BOOLEAN = {ast.And: np.logical_and, ast.Or: np.logical_or}
_UNARY = {ast.USub: np.negative, ast.UAdd: np.positive, ast.Not: np.logical_not}
_MAX_LENGTH = 2000


def evaluate(expression: str | float, variables: Mapping[str, np.ndarray | float], where: str) -> np.ndarray:
    """Evaluate a formula of numbers, variables, ``+ - * / % **``, comparisons, ``and or not`` and `FUNCTIONS`.

    Parameters
    ----------
    expression
        The formula, or simply a number.
    variables
        By name: arrays of one value per point, or numbers.
    where
        What the formula belongs to, for messages.

    Returns
    -------
    numpy.ndarray
        Of the broadcast shape of the variables used; boolean when the formula is a condition.

    Raises
    ------
    InputError
        On a syntax error, an unknown name or anything not listed above.
    """
    text = str(expression).strip()
    if len(text) > _MAX_LENGTH:
        raise InputError(f"{where}: the formula has {len(text)} characters, at most {_MAX_LENGTH} are allowed.")
    try:
        tree = ast.parse(text, mode="eval")
        # A formula may divide by zero or take a logarithm of a negative number where another part excludes the point.
        with np.errstate(all="ignore"):
            return np.asarray(_value(tree.body, variables, f"{where}: in '{text}'"))
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise InputError(f"{where}: '{text}' is not a valid formula: {error}.") from error
    except TypeError as error:
        raise InputError(f"{where}: '{text}' mixes conditions and numbers: {error}.") from error


def _value(
    node: ast.expr, variables: Mapping[str, np.ndarray | float], where: str
) -> np.ndarray | np.generic | float:
    """Evaluate one node of the syntax tree, refusing every kind of node that is not in the tables."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return np.bool_(node.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return np.float64(node.value)
    if isinstance(node, ast.Name):
        return _variable(node.id, variables, where)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand, variables, where))
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        return _ARITHMETIC[type(node.op)](_value(node.left, variables, where), _value(node.right, variables, where))
    if isinstance(node, ast.BoolOp):
        return _BOOLEAN[type(node.op)].reduce(_conditions(node.values, variables, where))
    if isinstance(node, ast.Compare) and all(type(op) in _COMPARISON for op in node.ops):
        terms = [_value(term, variables, where) for term in [node.left, *node.comparators]]
        links = [_COMPARISON[type(op)](*pair) for op, pair in zip(node.ops, itertools.pairwise(terms))]
        return np.logical_and.reduce(np.broadcast_arrays(*links))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        if node.func.id not in FUNCTIONS:
            hint = nearest(node.func.id, FUNCTIONS)
            raise InputError(f"{where}: unknown function '{node.func.id}', expected {', '.join(FUNCTIONS)}.{hint}")
        return FUNCTIONS[node.func.id](_value(node.args[0], variables, where))
    raise InputError(
        f"{where}: '{ast.unparse(node)}' is not allowed, only numbers, variables, arithmetic, comparisons, and, or, "
        f"not and the functions {', '.join(FUNCTIONS)}."
    )


def _conditions(nodes: list[ast.expr], variables: Mapping[str, np.ndarray | float], where: str) -> list[np.ndarray]:
    values = [np.asarray(_value(node, variables, where)) for node in nodes]
    for node, value in zip(nodes, values):
        if value.dtype != bool:
            raise InputError(f"{where}: '{ast.unparse(node)}' is a number, expected a condition such as 'Q2 > 10'.")
    return list(np.broadcast_arrays(*values))


def _variable(name: str, variables: Mapping[str, np.ndarray | float], where: str) -> np.ndarray | float:
    if name not in variables:
        raise InputError(
            f"{where}: unknown variable '{name}', expected one of {', '.join(variables)}.{nearest(name, variables)}"
        )
    return variables[name]
