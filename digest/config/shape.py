"""Questions about the settings classes: which names a section knows, which class stands at a key, a value to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def options(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The options of a class by the name a file uses (``from``, not ``from_``): its own, then those of its base."""
    own_first = sorted(model.model_fields.items(), key=lambda item: item[0] not in model.__annotations__)
    return {field.alias or name: field for name, field in own_first}


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The settings class inside an annotation such as ``tuple[Relay, ...]``, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = section_of(part)
        if found is not None:
            return found
    return None


def is_array(annotation: Any) -> bool:
    """Whether the section may stand several times (``[[source]]``)."""
    return getattr(annotation, "__origin__", None) is tuple and section_of(annotation) is not None


def model_at(model: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel] | None:
    """The class that holds the keys at ``loc``; None inside a free table such as domain_rates."""
    here: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, int):
            continue
        field = options(here).get(part) if here else None
        here = section_of(field.annotation) if field else None
    return here


def suggested(field: FieldInfo) -> object:
    """A value of the option to show: its default, or its example where the default says nothing."""
    nothing = field.is_required() or field.default in (None, "", [], {})
    return cast("dict[str, Any]", field.json_schema_extra)["example"] if nothing else field.default
