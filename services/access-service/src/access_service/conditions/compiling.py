"""From the tree of a condition to a closure that runs. What cannot be used is refused here, by name."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from access_service.conditions import arithmetic, comprehensions, values
from access_service.conditions.functions import FUNCTIONS, METHODS
from access_service.conditions.syntax import ReadTree, Unreadable, arguments, branch, core, literal
from access_service.conditions.values import CelError, Scope

Run = Callable[[Scope], Any]


class Compiler:
    """Compiles one text, in which `names` are known; `inside` a comprehension no other may begin."""

    def __init__(self, names: frozenset[str], *, inside: bool = False) -> None:
        self._names = names
        self._inside = inside
        self.nodes = 0

    def compile(self, child: Any) -> Run:
        """Compile a tree. Raises `Unreadable`."""
        tree = core(branch(child))
        self.nodes += 1
        make: Callable[[ReadTree], Run] | None = getattr(self, f"_{tree.data}", None)
        if make is None:
            raise Unreadable(f"{tree.data.replace('_', ' ')} cannot be used in conditions")
        return make(tree)

    def _all(self, children: Sequence[Any]) -> list[Run]:
        return [self.compile(child) for child in children]

    def _ident(self, tree: ReadTree) -> Run:
        name = str(tree.children[0])
        if name not in self._names:
            raise Unreadable(f"there is no {name}; what there is begins with {', '.join(sorted(self._names))}")
        return lambda scope: values.bounded(scope.names[name])

    def _literal(self, tree: ReadTree) -> Run:
        (token,) = tree.children
        value = literal(token)  # type: ignore[arg-type]  # the grammar has a token there
        return lambda _scope: value

    def _expr(self, tree: ReadTree) -> Run:
        condition, yes, no = self._all(tree.children)
        return lambda scope: yes(scope) if _demand_bool("?:", condition(scope)) else no(scope)

    def _conditionalor(self, tree: ReadTree) -> Run:
        return _either(*self._all(tree.children), decides=True)

    def _conditionaland(self, tree: ReadTree) -> Run:
        return _either(*self._all(tree.children), decides=False)

    def _relation(self, tree: ReadTree) -> Run:
        left, right, sign = self._operands(tree)
        if sign == "relation_in":
            return lambda scope: values.contained(left(scope), right(scope), scope)
        if sign == "relation_eq":
            return lambda scope: values.equal(left(scope), right(scope), scope)
        if sign == "relation_ne":
            return lambda scope: not values.equal(left(scope), right(scope), scope)
        return _computed(_OPERATORS[sign], left, right)

    def _addition(self, tree: ReadTree) -> Run:
        left, right, sign = self._operands(tree)
        return _computed(_OPERATORS[sign], left, right)

    _multiplication = _addition

    def _operands(self, tree: ReadTree) -> tuple[Run, Run, str]:
        """Answer both sides and the operator, which cel-python puts around the left one."""
        first = branch(tree.children[0])
        return self.compile(first.children[0]), self.compile(tree.children[1]), str(first.data)

    def _unary(self, tree: ReadTree) -> Run:
        sign, operand = branch(tree.children[0]).data, self.compile(tree.children[1])
        if sign == "unary_neg":
            return lambda scope: arithmetic.negated(operand(scope))
        return lambda scope: not _demand_bool("!", operand(scope))

    def _member_dot(self, tree: ReadTree) -> Run:
        of, name = self.compile(tree.children[0]), str(tree.children[1])
        return lambda scope: values.selected(of(scope), name)

    def _member_index(self, tree: ReadTree) -> Run:
        of, index = self._all(tree.children)
        return lambda scope: values.indexed(of(scope), index(scope))

    def _member_dot_arg(self, tree: ReadTree) -> Run:
        of, name, given = tree.children[0], str(tree.children[1]), arguments(tree.children[2:])
        if name in comprehensions.COUNTS:
            return self._comprehension(name, of, given)
        if name not in METHODS:
            raise Unreadable(f"there is no {name} in conditions")
        method, least, most = METHODS[name]
        _demand_count(name, given, least, most)
        runs = self._all([of, *given])
        return lambda scope: method(*[run(scope) for run in runs])

    def _comprehension(self, name: str, of: Any, given: Sequence[ReadTree]) -> Run:
        if self._inside:
            raise Unreadable(f"{name} stands within another comprehension")
        _demand_count(name, given, *comprehensions.COUNTS[name])
        variable = core(given[0])
        if variable.data != "ident":
            raise Unreadable(f"{name} takes a name first, as in {name}(one, …)")
        named = str(variable.children[0])
        body = Compiler(self._names | {named}, inside=True)
        walked, runs = self.compile(of), [body.compile(one) for one in given[1:]]
        self.nodes += body.nodes
        return comprehensions.make(name, walked, named, runs, body.nodes)

    def _ident_arg(self, tree: ReadTree) -> Run:
        name, given = str(tree.children[0]), arguments(tree.children[1:])
        if name == "has":
            return self._has(given)
        if name not in FUNCTIONS:
            raise Unreadable(f"there is no {name} in conditions")
        _demand_count(name, given, 1, 1)
        function, run = FUNCTIONS[name], self.compile(given[0])
        return lambda scope: function(run(scope))

    def _has(self, given: Sequence[ReadTree]) -> Run:
        _demand_count("has", given, 1, 1)
        field = core(given[0])
        if field.data != "member_dot":
            raise Unreadable("has takes a field, as in has(resource.properties.owner)")
        of, name = self.compile(field.children[0]), str(field.children[1])
        return lambda scope: values.contained(name, _demand_map(of(scope)), scope)

    def _list_lit(self, tree: ReadTree) -> Run:
        runs = self._all(arguments(tree.children))
        return lambda scope: [run(scope) for run in runs]

    def _map_lit(self, tree: ReadTree) -> Run:
        runs = self._all(arguments(tree.children))
        keys, items = runs[::2], runs[1::2]

        def made(scope: Scope) -> dict[str, Any]:
            named = [key(scope) for key in keys]
            if not all(map(values.is_key, named)) or len(set(named)) < len(named):
                raise CelError("a map's keys are texts here, each once")
            return dict(zip(named, (item(scope) for item in items), strict=True))

        return made


def _computed(compute: Callable[[Any, Any], Any], left: Run, right: Run) -> Run:
    return lambda scope: compute(left(scope), right(scope))


def _either(left: Run, right: Run, *, decides: bool) -> Run:
    """Make `||` (True decides) or `&&` (False does): whichever side decides, an error of the other is no matter."""
    sign = "||" if decides else "&&"

    def found(scope: Scope) -> bool:
        failed: CelError | None = None
        try:
            if _demand_bool(sign, left(scope)) is decides:
                return decides
        except CelError as error:
            failed = error
        if _demand_bool(sign, right(scope)) is decides:
            return decides
        if failed is not None:
            raise failed
        return not decides

    return found


def _demand_bool(sign: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise values.no_overload(sign, value)
    return value


def _demand_map(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise values.no_overload("has", value)
    return value


def _demand_count(name: str, given: Sequence[ReadTree], least: int, most: int) -> None:
    if not least <= len(given) <= most:
        raise Unreadable(f"{name} takes {least}{f' or {most}' if most > least else ''}, not {len(given)}")


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "relation_lt": values.ordered("<", operator.lt),
    "relation_le": values.ordered("<=", operator.le),
    "relation_gt": values.ordered(">", operator.gt),
    "relation_ge": values.ordered(">=", operator.ge),
    "addition_add": arithmetic.added,
    "addition_sub": arithmetic.subtracted,
    "multiplication_mul": arithmetic.multiplied,
    "multiplication_div": arithmetic.divided,
    "multiplication_mod": arithmetic.remainder,
}
