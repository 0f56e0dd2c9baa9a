"""Runcards as YAML text: numbers as in YAML 1.2, no repeated keys, and a line number for every key."""

import re
from typing import Any

import yaml

Path = tuple[str | int, ...]

MOST_VALUES = 100_000  # aliases of aliases can make a short text stand for more than any computer holds
_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9](_?[0-9])*"),
    "float": re.compile(
        r"[-+]?(\.[0-9]+|[0-9](_?[0-9])*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}


class RuncardSyntaxError(ValueError):
    """The text is not YAML, or uses more of YAML than a runcard needs."""


_RESOLVERS = {
    None: [
        *((_TAG + name, re.compile(f"^(?:{pattern.pattern})$")) for name, pattern in _SCALARS.items()),
        (_TAG + "merge", re.compile("^<<$")),
    ]
}


class _Loader(yaml.SafeLoader):  # that of libyaml would be faster, but deeply nested text crashes it
    yaml_implicit_resolvers = _RESOLVERS


class _Dumper(yaml.SafeDumper):
    """Writes what has no blocks inside on one line; quotes text that YAML 1.1 or 1.2 would take for a number."""

    yaml_implicit_resolvers = yaml.SafeDumper.yaml_implicit_resolvers | _RESOLVERS

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = all(isinstance(item, yaml.ScalarNode) for item in node.value)
        return node

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = not any(
            isinstance(item, yaml.MappingNode) or getattr(item, "flow_style", None) is False for _, item in node.value
        )
        return node


def read_yaml(text: str) -> tuple[Any, dict[Path, int]]:
    """Return the document in ``text`` and the line (from 1) of each of its keys and list items.

    Raises
    ------
    RuncardSyntaxError
        With the line and what is wrong there.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise RuncardSyntaxError((f"line {mark.line + 1}: " if mark else "") + (error.problem or "not YAML")) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise RuncardSyntaxError(f"not YAML: {error}") from None
    except RecursionError:
        raise RuncardSyntaxError("nested too deeply") from None
    if node is None:
        return None, {}
    builder = _Builder()
    return builder.build(node), builder.lines


def write_yaml(document: dict[str, Any]) -> str:
    """Return ``document`` as YAML that readers of YAML 1.1 and 1.2 understand alike."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)


class _Builder:
    """Turns YAML nodes into plain values and keeps the line of each."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.values = 0

    def build(self, node: yaml.Node, path: Path = (), parents: tuple[int, ...] = ()) -> Any:
        self.values += 1
        if id(node) in parents:
            raise RuncardSyntaxError(f"{_where(node)}the alias contains itself")
        if self.values > MOST_VALUES:
            raise RuncardSyntaxError(f"more than {MOST_VALUES} values")
        self.lines.setdefault(path, node.start_mark.line + 1)
        parents = (*parents, id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index), parents) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, parents)
        assert isinstance(node, yaml.ScalarNode)  # the third and last kind
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, parents: tuple[int, ...]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                for part in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                    if not isinstance(part, yaml.MappingNode):
                        raise RuncardSyntaxError(f"{_where(key_node)}<< needs a mapping")
                    merged = self.build(part, path, parents) | merged
                continue
            key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise RuncardSyntaxError(f"{_where(key_node)}a key must be a word")
            place = (*path, key)
            if key in own:
                raise RuncardSyntaxError(
                    f"{_where(key_node)}the key '{key}' appears twice, first at line {self.lines[place]}"
                )
            self.lines[place] = key_node.start_mark.line + 1
            own[key] = self.build(value_node, place, parents)
        return merged | own


def _scalar(node: yaml.ScalarNode) -> Any:
    kind, text = node.tag.removeprefix(_TAG), node.value
    if kind == "str":
        return text
    if kind not in _SCALARS or not _SCALARS[kind].fullmatch(text):
        raise RuncardSyntaxError(f"{_where(node)}the tag {node.tag} has no place in a runcard")
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    digits = text.replace("_", "").lower()
    if kind == "int" and len(digits) < 300:
        return int(digits)
    return float(digits.replace(".inf", "inf").replace(".nan", "nan"))


def _where(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}: "
