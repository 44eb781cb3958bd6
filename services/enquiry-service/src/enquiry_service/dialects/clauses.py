"""The kinds of clause that a report's SQL may have, in whichever dialect: what is not here is refused by name."""

# ruff: noqa: SIM905 - lists of words read best as words

from sqlglot import exp

NODES = frozenset(
    getattr(exp, name)
    for name in """
    Select From Join Where Group Having Order Ordered Limit LimitOptions Offset Fetch With CTE Union Intersect Except
    Subquery Table TableAlias Alias Aliases Column ColumnDef Identifier Star Literal RawString ByteString BitString
    HexString Null Boolean Paren Tuple Case If Cast DataType DataTypeParam Interval IntervalSpan Var Values Lateral
    Unnest Window WindowSpec Filter WithinGroup Distinct Placeholder Array Bracket Dot Collate GroupingSets Rollup Cube
    Anonymous Exists Any All In Is Between Not Neg And Or EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Like ILike
    SimilarTo Escape RegexpLike RegexpILike Add Sub Mul Div Mod Pow DPipe Concat BitwiseAnd BitwiseOr BitwiseXor
    BitwiseNot BitwiseLeftShift BitwiseRightShift AtTimeZone JSONExtract JSONExtractScalar JSONBExtract
    JSONBExtractScalar JSONPath JSONPathKey JSONPathRoot JSONPathSubscript JSONBContains JSONBContainsTopKey
    JSONBContainsAllTopKeys JSONBContainsAnyTopKeys ArrayContainsAll ArrayContainedBy ArrayOverlaps Overlaps Kwarg
    PropertyEQ CurrentDate CurrentTime CurrentTimestamp Localtime Localtimestamp Extract Substring Trim StrPosition
    Overlay Sqrt Cbrt GroupConcat
    """.split()
    if hasattr(exp, name)
)
"""Every kind of node that a statement's tree may hold: an unknown one is refused, not a known bad one."""

UNCALLED = frozenset(
    getattr(exp, name)
    for name in """
    And Or Case If Cast Array Exists Any All Pow DPipe Concat RegexpLike RegexpILike AtTimeZone JSONExtract
    JSONExtractScalar JSONBExtract JSONBExtractScalar JSONBContains JSONBContainsTopKey JSONBContainsAllTopKeys
    JSONBContainsAnyTopKeys ArrayContainsAll ArrayContainedBy ArrayOverlaps Overlaps Interval Unnest Sqrt Cbrt
    CurrentDate CurrentTime CurrentTimestamp Localtime Localtimestamp Extract Substring Trim StrPosition Overlay
    Collate
    """.split()
    if hasattr(exp, name)
)
"""Those of NODES that sqlglot counts as functions and that are written as operators or syntax of their own."""
