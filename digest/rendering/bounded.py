"""A Jinja environment whose renderings end: it counts turns of loops, macros and includes, and characters.

Takes the options of Jinja's environment; an operator's template that goes on for ever gives TemplateRuntimeError at its
line, after a fixed amount of work and not after a time. The counting costs a call a loop, not a call a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from itertools import islice
from typing import Any, cast

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer

#: Turns of loops, calls of macros and includes that one rendering may take; 500 papers take some 30,000.
TURNS = 250_000
#: Characters of one rendering. Far above any mail: the first step of the ladder may be long.
CHARACTERS = 32_000_000
#: Characters or members of a value made by multiplying or collected in a namespace.
VALUE = 1_000_000


class _Budget:
    """What is left of one rendering."""

    __slots__ = ("characters", "turns")

    def __init__(self) -> None:
        self.turns = TURNS
        self.characters = CHARACTERS

    def take(self, turns: int) -> None:
        self.turns -= turns
        if self.turns < 0:
            raise jinja2.TemplateRuntimeError(
                f"this does not end: more than {TURNS:,} turns of loops, macros and includes in one rendering"
            )

    def collect(self, characters: int) -> None:
        self.characters -= characters
        if self.characters < 0:
            raise _too_much()


_BUDGET: ContextVar[_Budget] = ContextVar("budget of the rendering")


def rendered(template: jinja2.Template, context: Mapping[str, object]) -> str:
    """What a template of a Bounded environment gives."""
    token = _BUDGET.set(_Budget())
    try:
        return template.render(context)
    finally:
        _BUDGET.reset(token)


def _joined(chunks: Iterable[str]) -> str:
    """``"".join`` that stops in time. Jinja joins with it what a template, a block or a macro gives."""
    pieces: list[str] = []
    length = 0
    each = iter(chunks)
    while batch := list(islice(each, 256)):
        piece = "".join(batch)
        length += len(piece)
        if length > CHARACTERS:
            error = _too_much()
            if isinstance(each, Generator):
                cast(Generator[str], each).throw(error)  # so that the error knows the line that was at work
            raise error
        pieces.append(piece)
    return "".join(pieces)


class _Buffer(list[str]):
    """What a block or a macro collects before it is printed."""

    def append(self, piece: str, /) -> None:
        _BUDGET.get().collect(len(piece))
        super().append(piece)

    def extend(self, pieces: Iterable[str], /) -> None:
        for piece in pieces:
            self.append(piece)


# The filters below take the context only so that Jinja does not compute them once, while compiling.


@jinja2.pass_context
def _counted(_: Context, values: Any) -> Any:
    """What a loop runs over: charged at once where its length is known, else turn by turn."""
    budget = _BUDGET.get()
    if isinstance(values, list):
        values = tuple(cast(list[object], values))  # the loop may add to the list it runs over
    try:
        turns = len(values)
    except TypeError:
        return _charged(iter(values), budget)
    except OverflowError:
        turns = TURNS + 1
    budget.take(turns)
    return values


def _charged(values: Iterator[object], budget: _Budget) -> Iterator[object]:
    for value in values:
        budget.take(1)
        yield value


@jinja2.pass_context
def _turn(_: Context, nothing: object) -> object:
    _BUDGET.get().take(1)
    return nothing


@jinja2.pass_context
def _product(_: Context, left: Any, right: Any) -> Any:
    for value, times in ((left, right), (right, left)):
        if isinstance(times, int) and _size(value) * times > VALUE:
            raise _too_large()
    return left * right


@jinja2.pass_context
def _power(_: Context, left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > VALUE:
        raise _too_large()
    return left**right


@jinja2.pass_context
def _collected(_: Context, value: Any) -> Any:
    if _size(value) > VALUE:
        raise _too_large()
    return value


def _size(value: object) -> int:
    """Characters or members; 0 of anything else."""
    return len(cast(Any, value)) if isinstance(value, (str, bytes, list, tuple)) else 0


def _range(*arguments: int) -> range:
    values = range(*arguments)
    if values and (values[-1] - values[0]) // values.step >= TURNS:
        raise jinja2.TemplateRuntimeError(f"a range of more than {TURNS:,} numbers")
    return values


def _too_much() -> jinja2.TemplateRuntimeError:
    return jinja2.TemplateRuntimeError(f"more than {CHARACTERS:,} characters in one rendering")


def _too_large() -> jinja2.TemplateRuntimeError:
    return jinja2.TemplateRuntimeError(f"a value of more than {VALUE:,} characters or members")


_COUNTED, _TURN, _PRODUCT, _POWER, _COLLECTED = (
    "counted loop",
    "a turn",
    "bounded product",
    "bounded power",
    "bounded value",
)
_BOUNDS: Mapping[str, Callable[..., object]] = {
    _COUNTED: _counted,
    _TURN: _turn,
    _PRODUCT: _product,
    _POWER: _power,
    _COLLECTED: _collected,
}


class _Counting(NodeTransformer):
    """Puts the filters above around whatever could go on without end."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        node.iter = _filtered(_COUNTED, node.iter)
        if node.recursive:  # an inner round does not pass by the iterable above
            node.body.insert(0, _step(node))
        return node

    def visit_Template(self, node: nodes.Template) -> nodes.Node:  # noqa: N802
        return self._stepping(node)

    def visit_Block(self, node: nodes.Block) -> nodes.Node:  # noqa: N802
        return self._stepping(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        return self._stepping(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        return self._stepping(node)

    def _stepping(self, node: nodes.Template | nodes.Block | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        self.generic_visit(node)
        node.body.insert(0, _step(node))
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        texts = {"_": 1, "count": 2}.get(node.node.name, 0) if isinstance(node.node, nodes.Name) else 0
        said = node.args[:texts]
        if texts and (len(said) < texts or not all(isinstance(one, nodes.Const) for one in said)):
            # What they say is printed as it stands; only values are escaped.
            raise jinja2.TemplateSyntaxError(
                '_ and count take the text itself; give what changes as a value: _("… %(x)s", x=…)', node.lineno
            )
        return node

    def visit_Mul(self, node: nodes.Mul) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(_PRODUCT, node.left, node.right)

    def visit_Pow(self, node: nodes.Pow) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(_POWER, node.left, node.right)

    def visit_Assign(self, node: nodes.Assign) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.target, nodes.NSRef):
            node.node = _filtered(_COLLECTED, node.node)
        return node


def _filtered(name: str, node: nodes.Node, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(cast(nodes.Expr, node), name, list(arguments), [], None, None, lineno=node.lineno)


def _step(node: nodes.Node) -> nodes.ExprStmt:
    return nodes.ExprStmt(_filtered(_TURN, nodes.Const(None, lineno=node.lineno)), lineno=node.lineno)


class BoundedCode(CodeGenerator):
    """Jinja's compiler, whose buffers count what they collect."""

    def buffer(self, frame: Frame) -> None:
        frame.buffer = self.temporary_identifier()
        self.writeline(f"{frame.buffer} = environment.counting_buffer()")


class Bounded(jinja2.Environment):
    """Jinja's environment whose templates end."""

    code_generator_class = BoundedCode
    concat = staticmethod(_joined)
    counting_buffer = _Buffer

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        filters: dict[str, Any] = cast(Any, self).filters
        filters.update(_BOUNDS)
        names: dict[str, Any] = cast(Any, self).globals
        names["range"] = _range
        del names["lipsum"]

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        counted = _Counting().visit(source)
        counted.set_environment(self)
        return super()._generate(counted, name, filename, defer_init)
