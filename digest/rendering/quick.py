"""The same Jinja, compiled to quicker code: a mail of thirty papers looks up two thousand fields and escapes as many.

Takes templates whose values are records (view.py). A field is read as an attribute, without Jinja's search for a key of
that name; where there is none the code raises AttributeError, and the caller renders with a Bounded environment, which
knows what Jinja makes of it. Everything else is as Jinja does it (a test compares the two on every mail).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from keyword import iskeyword
from typing import Any, cast

import jinja2
import markupsafe
from jinja2 import nodes
from jinja2.compiler import Frame
from jinja2.filters import sync_do_map
from jinja2.runtime import Context, LoopContext
from jinja2.utils import missing
from markupsafe import Markup

from digest.rendering.bounded import Bounded, BoundedCode

#: What markupsafe.escape calls, which makes a Markup of it; text that is only joined needs none.
_inner: Callable[[str], str] = getattr(markupsafe, "_escape_inner", markupsafe.escape)
#: What templates call to speak a language (library.py): plain functions, which take nothing of Jinja's.
_PLAIN = frozenset({"_", "count"})


def _escape(value: object) -> str:
    if type(value) is str:
        return _inner(value)
    if type(value) is int:
        return str(value)
    if type(value) is jinja2.Undefined:  # of `{{ … if … }}` without an else; all others are strict
        return ""
    return value if isinstance(value, Markup) else markupsafe.escape(value)


@jinja2.pass_context
def _map(context: Context, values: Any, *names: Any, **options: Any) -> Any:
    """Jinja's ``map``; the same field of each record without its detours."""
    field = options.get("attribute")
    if type(values) is tuple and not names and len(options) == 1 and isinstance(field, str) and field.isidentifier():
        return [getattr(value, field) for value in cast("tuple[object, ...]", values)]
    return sync_do_map(context, cast(Any, values), *names, **options)


class _Loop(LoopContext):
    """Jinja's ``loop``; over a tuple it counts and need not look ahead."""

    def __init__(self, iterable: Any, undefined: Any, recurse: Any = None, depth0: int = 0) -> None:
        super().__init__(iterable, undefined, recurse, depth0)
        self._values = cast("tuple[object, ...]", iterable) if type(iterable) is tuple else None
        self._final = len(self._values or ()) - 1

    def __iter__(self) -> Any:
        return self if self._values is None else self._steps(self._values)

    def _steps(self, values: tuple[object, ...]) -> Iterator[tuple[object, _Loop]]:
        for index, value in enumerate(values):
            self.index0, self._before, self._current = index, self._current, value
            yield value, self

    @property
    def last(self) -> bool:
        return self.index0 == self._final if self._values is not None else super().last

    def _peek_next(self) -> Any:
        if self._values is None:
            return super()._peek_next()
        return missing if self.index0 >= self._final else self._values[self.index0 + 1]


class _Code(BoundedCode):
    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        if node.ctx != "load" or iskeyword(node.attr):
            super().visit_Getattr(node, frame)
            return
        self.write("(")
        self.visit(node.node, frame)
        self.write(f").{node.attr}")

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:  # noqa: N802
        called = node.node
        plain = isinstance(called, nodes.Name) and called.name in _PLAIN and not node.dyn_args and not node.dyn_kwargs
        if not plain or forward_caller or any(iskeyword(one.key) for one in node.kwargs):
            super().visit_Call(node, frame, forward_caller=forward_caller)
            return
        self.visit(called, frame)
        self.write("(")
        for one in (*node.args, *node.kwargs):
            self.visit(one, frame)
            self.write(", ")
        self.write(")")


class Quick(Bounded):
    """A Bounded environment whose templates read fields as attributes."""

    code_generator_class = _Code
    quick_escape = staticmethod(_escape)
    quick_loop = _Loop

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        filters: dict[str, Any] = cast(Any, self).filters
        filters["map"] = _map

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        first, rest = super()._generate(source, name, filename, defer_init).split("\n", 1)
        # Behind the import of Jinja's own, and on its line: the numbers of the lines are known to the template.
        return f"{first}; escape = environment.quick_escape; LoopContext = environment.quick_loop\n{rest}"
