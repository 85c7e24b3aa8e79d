"""YAML that remembers where each key stood, and says what a pydantic model has against it."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

KeyPath = tuple[str | int, ...]


class YamlError(ValueError):
    """The text is no YAML, or repeats a key; the message names file and line."""


@dataclass(frozen=True)
class MarkedYaml:
    """A YAML document and the line of each of its keys.

    Attributes:
        file: The name to show in messages.
        data: The document as plain Python values.
        lines: Key path → line, counted from 1; `()` is the document itself.
    """

    file: str
    data: Any
    lines: Mapping[KeyPath, int]

    def line(self, keys: KeyPath) -> int:
        """Return the line of the key, or of the nearest key around it."""
        while keys not in self.lines:
            keys = keys[:-1]
        return self.lines[keys]

    def where(self, keys: KeyPath) -> str:
        """Return `file:line` of the key, or of the nearest key around it."""
        return f"{self.file}:{self.line(keys)}"


def load(text: str, file: str) -> MarkedYaml:
    """Parse YAML and note the line of each key.

    Args:
        text: The document.
        file: The name to show in messages.

    Raises:
        YamlError: The text is no YAML, or a mapping repeats a key (PyYAML would keep the last).
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        _refuse_aliases(node, file)
        data = loader.construct_document(node) if node is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it holds characters that YAML does not allow"
        line = mark.line + 1 if mark else 1
        raise YamlError(f"{file}:{line}: this is not YAML: {problem}.") from None
    except YamlError:
        raise
    except (ValueError, RecursionError):  # such as 2024-02-30; not quoted, it may be a secret
        raise YamlError(
            f"{file}: a value is no date or number, though it looks like one. Put it in quotes."
        ) from None
    lines: dict[KeyPath, int] = {(): 1}
    for keys, line in _key_lines(node, ()) if node is not None else ():
        if keys in lines:
            raise YamlError(
                f"{file}:{line}: the key '{keys[-1]}' stands here a second time "
                f"(first on line {lines[keys]}). Remove one of them."
            )
        lines[keys] = line
    return MarkedYaml(file, data, lines)


def load_file(path: Path, *, hint: str = "Check the path.") -> MarkedYaml:
    """Read a YAML file; see `load`.

    Args:
        path: The file.
        hint: What to do if there is none.

    Raises:
        YamlError: The file cannot be read, is no UTF-8 or no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise YamlError(f"There is no file {path} (looked in {Path.cwd()}). {hint}") from None
    except OSError as error:
        raise YamlError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise YamlError(f"{path} cannot be read: it is not UTF-8.") from None
    return load(text, str(path))


def _refuse_aliases(node: yaml.Node | None, file: str) -> None:
    """Refuse a node that stands in two places: such text may unfold without end."""
    seen: set[int] = set()
    waiting = [node] if node is not None else []
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            raise YamlError(
                f"{file}:{current.start_mark.line + 1}: YAML anchors and aliases (&x, *x) are not "
                "supported here. Write the value out."
            )
        seen.add(id(current))
        if isinstance(current, yaml.MappingNode):
            waiting += [value for _, value in current.value]
        elif isinstance(current, yaml.SequenceNode):
            waiting += current.value


def _key_lines(node: yaml.Node, above: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            keys = (*above, key.value)
            yield keys, key.start_mark.line + 1
            yield from _key_lines(value, keys)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*above, index), value.start_mark.line + 1
            yield from _key_lines(value, (*above, index))


def complaints(document: MarkedYaml, model: type[BaseModel], error: ValidationError) -> list[str]:
    """Turn pydantic's errors into lines that a person can act on.

    Args:
        document: What was validated.
        model: The model it was validated against.
        error: What pydantic found.

    Returns:
        One `file:line: …` a problem in the order of the file, with the nearest right name and
        the allowed values. No value of the document is repeated.
    """
    located = [
        (_keys_in_document(problem["loc"], document.data), problem)
        for problem in error.errors(include_url=False)
    ]
    located.sort(key=lambda pair: document.line(pair[0]))
    return [
        f"{document.where(keys)}: {_explain(problem, keys, model)}" for keys, problem in located
    ]


def _keys_in_document(location: tuple[int | str, ...], data: Any) -> KeyPath:
    """Drop the union tags that pydantic puts between the document's own keys."""
    keys: list[str | int] = []
    for position, step in enumerate(location):
        inside = _child(data, step)
        if inside is not _ABSENT:
            data = inside
            keys.append(step)
        elif isinstance(data, Mapping) and position == len(location) - 1:
            keys.append(step)  # the key that is missing
    return tuple(keys)


_ABSENT = object()


def _child(data: Any, step: str | int) -> Any:
    if isinstance(data, Mapping):
        return data.get(step, _ABSENT)
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return _ABSENT


def _explain(problem: Mapping[str, Any], keys: KeyPath, model: type[BaseModel]) -> str:
    name = ".".join(str(key) for key in keys) or "the document"
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = sorted(_field_names(_models_at([model], keys[:-1])))
        return f"unknown key '{name}'.{nearest(str(keys[-1]), allowed)} Allowed here: " + (
            ", ".join(allowed) + "."
        )
    if kind == "missing":
        return f"the key '{name}' is missing."
    if kind in {"literal_error", "enum", "union_tag_invalid"}:
        allowed_values = context.get("expected") or context.get("expected_tags", "")
        value = str(problem["input"] if kind == "literal_error" else context.get("tag", ""))
        choices = [choice.strip("' ") for choice in _choices(allowed_values)]
        return f"'{name}' cannot be that.{nearest(value, choices)} Allowed: {', '.join(choices)}."
    if kind == "string_type" and isinstance(problem["input"], bool | int | float):
        return f"'{name}' must be text, and YAML reads it as a number or truth: put it in quotes."
    if kind == "value_error":
        return f"'{name}': {context['error']}"
    return f"'{name}': {problem['msg']}."


def _choices(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(", ")


def nearest(wrong: str, allowed: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the allowed name most like the wrong one, or ""."""
    close = difflib.get_close_matches(wrong, list(allowed), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def _models_at(models: list[type[BaseModel]], keys: KeyPath) -> list[type[BaseModel]]:
    """Follow the keys through nested models; a union of models leads to all of them."""
    for key in keys:
        models = [
            found
            for model in models
            for name, field in model.model_fields.items()
            if key in {name, field.alias}
            for found in _models_in(field.annotation)
        ]
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _field_names(models: list[type[BaseModel]]) -> set[str]:
    return {field.alias or name for model in models for name, field in model.model_fields.items()}
