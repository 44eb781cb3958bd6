"""CEL's `+ - * / %` and the minus sign: numbers of one type, texts, lists, times and durations."""

import math
import operator
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from access_service.conditions.values import CelError, bounded, in_range, is_int, no_overload


def added(left: Any, right: Any) -> Any:
    """`+`, of texts and lists too."""
    if isinstance(left, str) and isinstance(right, str):
        return bounded(left + right)
    if isinstance(left, list) and isinstance(right, list):
        return bounded(left + right)
    if isinstance(left, datetime | timedelta) and isinstance(right, datetime | timedelta):
        return _of_times("+", operator.add, left, right)
    return _of_numbers("+", operator.add, left, right)


def subtracted(left: Any, right: Any) -> Any:
    """`-`, of times too: of two timestamps it is a duration."""
    if isinstance(left, datetime | timedelta) and isinstance(right, datetime | timedelta):
        return _of_times("-", operator.sub, left, right)
    return _of_numbers("-", operator.sub, left, right)


def multiplied(left: Any, right: Any) -> Any:
    """`*`."""
    return _of_numbers("*", operator.mul, left, right)


def divided(left: Any, right: Any) -> Any:
    """`/`: of whole numbers it leaves the rest out, towards zero."""
    if is_int(left) and is_int(right):
        return in_range(_quotient(left, right))
    if isinstance(left, float) and isinstance(right, float):
        if right == 0:
            return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left * right)
        return left / right
    raise no_overload("/", left, right)


def remainder(left: Any, right: Any) -> Any:
    """`%`: of whole numbers only, with the sign of the first."""
    if is_int(left) and is_int(right):
        return left - right * _quotient(left, right)
    raise no_overload("%", left, right)


def negated(value: Any) -> Any:
    """The minus sign."""
    if is_int(value):
        return in_range(-value)
    if isinstance(value, float):
        return -value
    raise no_overload("-", value)


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise CelError("divided by zero")
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole


def _of_numbers(sign: str, compute: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if is_int(left) and is_int(right):
        return in_range(compute(left, right))
    if isinstance(left, float) and isinstance(right, float):
        return compute(left, right)
    raise no_overload(sign, left, right)


def _of_times(sign: str, compute: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    try:
        return compute(left, right)
    except TypeError:
        raise no_overload(sign, left, right) from None
    except OverflowError:
        raise CelError("a time is out of range") from None
