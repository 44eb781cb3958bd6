"""Filters of SCIM as conditions of SQL: what the parsed filter says, over `columns`."""

from typing import Any, cast

from scim2_models import InvalidFilterException, Resource, ScimFilter
from scim2_models.path import (
    AttrPath,
    Comparison,
    FilterNode,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)
from sqlalchemy import and_, false, not_, or_

from access_service.scim import columns
from access_service.scim.comparing import Condition, Many, One

_MOST_TERMS = 200
"""How many comparisons a filter may have: each is a part of one statement."""


def condition(scim_filter: ScimFilter[Any], model: type[Resource[Any]]) -> Condition:
    """Write a filter as it applies to resources of `model`. Raises `InvalidFilterException`."""
    # Bound to one model: at the root the filter is of several, and what one of them lacks is met by none of its kind.
    bound = cast(Any, ScimFilter)[model](scim_filter.ast)
    return _Writer(bound).visit(bound.ast)


def row_condition(many: Many, node: FilterNode) -> Condition:
    """Write the filter of a selection, `members[…]`, as it applies to one row."""
    return _RowWriter(many).visit(node)


class _Logic(FilterVisitor[Condition]):
    def __init__(self) -> None:
        self._terms = 0

    def visit(self, node: FilterNode) -> Condition:
        """Write one node, as long as there are not too many."""
        self._terms += 1
        if self._terms > _MOST_TERMS:
            raise InvalidFilterException(detail=f"A filter may have {_MOST_TERMS} terms. Ask in several searches.")
        return super().visit(node)

    def visit_not(self, node: Not) -> Condition:
        return not_(self.visit(node.expr))

    def visit_logical_expr(self, node: LogicalExpr) -> Condition:
        join = and_ if node.op == LogicalOperator.and_ else or_
        return join(*(self.visit(term) for term in node.terms))


class _Writer(_Logic):
    def __init__(self, bound: ScimFilter[Any]) -> None:
        super().__init__()
        self._bound = bound

    def visit_comparison(self, node: Comparison) -> Condition:
        binding = self._bound.resolve_comparison(node.attr_path, strict=False)
        if binding is None:
            return false()
        several = columns.part(binding.urn)
        if several:
            return several[0].meets(several[1], node.op, node.value)
        found = columns.attribute(binding.urn)
        if not isinstance(found, One):
            raise InvalidFilterException(detail=f"{node.attr_path} is complex: compare one of its sub-attributes.")
        return found.meets(node.op, node.value)

    def visit_present(self, node: Present) -> Condition:
        binding = self._bound.resolve(node.attr_path, strict=False)
        if binding is None:
            return false()
        several = columns.part(binding.urn)
        return several[0].any(several[1].is_there()) if several else columns.attribute(binding.urn).is_there()

    def visit_value_path(self, node: ValuePath) -> Condition:
        binding = self._bound.resolve(node.attr_path, strict=False)
        if binding is None:
            return false()
        found = columns.attribute(binding.urn)
        if not isinstance(found, Many):
            raise InvalidFilterException(detail=f"{node.attr_path} holds one value: there is nothing to select from.")
        return found.any(row_condition(found, node.val_filter))


class _RowWriter(_Logic):
    def __init__(self, many: Many) -> None:
        super().__init__()
        self._many = many

    def _part(self, path: AttrPath) -> One:
        found = self._many.parts.get(path.attr.lower())
        if found is None or path.sub_attr or path.uri:
            raise InvalidFilterException(detail=f"Lodge does not filter by {path} there.")
        return found

    def visit_comparison(self, node: Comparison) -> Condition:
        return self._part(node.attr_path).meets(node.op, node.value)

    def visit_present(self, node: Present) -> Condition:
        return self._part(node.attr_path).is_there()

    def visit_value_path(self, node: ValuePath) -> Condition:
        raise InvalidFilterException(detail=f"{node} selects within a selection.")
