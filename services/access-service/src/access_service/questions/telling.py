"""An explanation in a few sentences, such as a help desk can read aloud."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from access_service.judging import SUBJECT_TYPES
from access_service.questions.dates import Calendar
from access_service.questions.evidence import Path, Step
from access_service.questions.explaining import Explanation
from access_service.questions.misses import Misses, Why
from access_service.questions.periods import FOREVER


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a decision: why as a code, a few sentences, and of each path what it misses."""

    why: Why
    sentence: str
    why_not: Sequence[str | None]
    """In the order of the explanation's paths; None of one that holds."""


def tell(explanation: Explanation, *, zone: ZoneInfo, now: datetime) -> Told:
    """Say why, why not, or why no longer. Hours are said on the day that is asked about."""
    misses = Misses(explanation, Calendar(zone, explanation.when.as_of))
    why_not = ["; ".join(clause for _, clause in misses.path(path)) or None for path in explanation.told]
    if explanation.subject is None:
        return Told(Why.SUBJECT_UNKNOWN, _unknown(explanation, misses.calendar), why_not)
    held = explanation.finding.held
    if explanation.finding.permit:
        why, reason = Why.HELD, _held(held, misses) if held else "by a grant that you may not see."
    else:
        why, reason = _denied(explanation, misses)
    return Told(why, f"{_beginning(explanation, misses, now)}: {reason}", why_not)


def _unknown(explanation: Explanation, calendar: Calendar) -> str:
    asked = explanation.question
    if asked.subject_type not in SUBJECT_TYPES:
        kinds = ", ".join(sorted(SUBJECT_TYPES))
        return f"Lodge has no subjects of type “{asked.subject_type}”, so nothing is permitted. It has: {kinds}."
    if asked.subject.startswith("grp_"):
        return f"{asked.subject} is a group, and a group does nothing itself. Ask about one of its members."
    return (
        f"Nobody was known to Lodge by “{asked.subject}” on {calendar.day(explanation.when.known_at)}, so nothing is"
        " permitted. Look the person up by name, and ask by id."
    )


def _beginning(explanation: Explanation, misses: Misses, now: datetime) -> str:
    asked, at, permit = explanation.question, explanation.when.as_of, explanation.finding.permit
    systems = [path.permission.system for path in explanation.told[:1]]
    systems = systems or [permission.system for permission in explanation.permissions]
    where = f" in {systems[0]}" if systems else ""
    deed = f"{_plain(asked.action)} {_plain(asked.resource_type)} {asked.resource}".rstrip() + where
    no = "" if permit else f"{_no(explanation)} "
    seen = "As far as you may see, " if explanation.decision is None else ""
    if at == now:
        return f"{seen}{misses.who} may {no}{deed}"
    when = f"{misses.calendar.moment(at)} {misses.who}"
    when = f"{seen}{when}" if seen else _capital(when)
    if at < now:
        return f"{when} was {no}allowed to {deed}"
    return f"{when} will {no}be allowed to {deed}, as far as is known"


def _no(explanation: Explanation) -> str:
    """Answer `no longer` of what was held, `not yet` of what will be, else `not`."""
    nearest, at = explanation.finding.nearest, explanation.when.as_of
    turn = nearest.periods.turn(at) if nearest else None
    return "not" if turn is None else "no longer" if turn <= at else "not yet"


def _plain(word: str) -> str:
    return word.replace("_", " ")


# -- permitted


def _held(held: Sequence[Path], misses: Misses) -> str:
    more = len(held) - 1
    also = f" There {'is 1 more way' if more == 1 else f'are {more} more ways'} besides." if more else ""
    path = held[0]
    condition = f" The condition holds: {path.permission.condition}." if path.permission.condition else ""
    return f"{_given(path, misses)}.{condition}{also}"


def _given(path: Path, misses: Misses) -> str:
    """Tell how a role came to the subject: `Bob gave Ann the role Head, which inherits Clerk, from 1 May 2026 on`."""
    grant, calendar = path.way.grant, misses.calendar
    role = f"the role {_chain(path.steps)}"
    if grant is None:
        return f"everybody has {role}"
    giver, whom = misses.name(grant.by) or "somebody", misses.who
    joined = ""
    if path.way.group is not None:
        whom = f"the group {path.way.group[1]}"
        member = path.way.member.nearest(misses.of.when.as_of)
        joined = f"; {misses.who} joined that group on {calendar.day(member[0])}" if member else ""
    span = grant.valid.nearest(misses.of.when.as_of)
    since = f" from {calendar.day(span[0])} on" if span else ""
    until = f" {calendar.until(span[1])}" if span and span[1] != FOREVER else ""
    where = f" for {grant.unit[1]} with all below it" if grant.unit else ""
    where += f" in {grant.environment}" if grant.environment else ""
    reason = f" (“{grant.reason}”)" if grant.reason else ""
    return f"{giver} gave {whom} {role}{where}{since}{until}{reason}{joined}"


def _chain(steps: Sequence[Step]) -> str:
    names = [step.name for step in steps if step.kind == "role"]
    inherits = ", which inherits ".join(names)
    return inherits + ("," if len(names) > 1 else "")


# -- denied


def _denied(explanation: Explanation, misses: Misses) -> tuple[Why, str]:
    subject, nearest = explanation.subject, explanation.finding.nearest
    if not explanation.is_known or subject is None:
        return _no_permission(explanation)
    missing = misses.path(nearest) if nearest else []
    if explanation.when.as_of not in subject.thing.active:
        why, clause = misses.subject()
        rests = why is Why.SUBJECT_INACTIVE and len(missing) == 1
        return why, f"{clause}." + (f" What was given holds again once {misses.who} is active." if rests else "")
    if nearest is None:
        return _never(explanation, misses)
    why, clauses = missing[0][0], "; ".join(clause for _, clause in missing)
    besides = _besides(explanation, misses, why)
    turn = nearest.periods.turn(explanation.when.as_of)
    if turn is None:
        return why, f"{clauses}.{besides}"
    if turn > explanation.when.as_of:
        return why, f"that begins on {misses.calendar.day(turn)}. {_capital(clauses)}.{besides}"
    role, until = _chain(nearest.steps).removesuffix(","), misses.calendar.until(turn)
    return why, f"{misses.who} held it by the role {role}, {until}. {_capital(clauses)}.{besides}"


def _besides(explanation: Explanation, misses: Misses, told: Why) -> str:
    """Tell one thing more where another path came as near: held elsewhere, or to begin later."""
    for path in explanation.told[1:]:
        missing = misses.path(path)
        if len(missing) == 1 and missing[0][0] is not told:
            return f" Besides, {missing[0][1]}."
    return ""


def _no_permission(explanation: Explanation) -> tuple[Why, str]:
    asked, systems = explanation.question, explanation.systems
    if not explanation.view.catalogue:
        where = "no system of Lodge" if asked.system is None else f"no system “{asked.system}” of Lodge"
        return Why.PERMISSION_UNKNOWN, f"{where} has a permission for that."
    if asked.system is not None and not systems:
        return Why.SYSTEM_UNKNOWN, f"Lodge has no system “{asked.system}”."
    where = systems[0] if asked.system is not None else "no system of Lodge"
    none = f"{where} has {'no' if asked.system is not None else 'a'} permission for that."
    actions = ", ".join(map(_plain, explanation.actions))
    return Why.PERMISSION_UNKNOWN, none + (
        f" With {_plain(asked.resource_type)} these are known: {actions}." if actions else ""
    )


def _never(explanation: Explanation, misses: Misses) -> tuple[Why, str]:
    unusable = [misses.permission(one) for one in explanation.permissions]
    if unusable and unusable[0] and all(unusable):
        why, clause = unusable[0]
        return why, f"{clause}."
    return Why.NEVER_GIVEN, _never_given(explanation, misses)


def _never_given(explanation: Explanation, misses: Misses) -> str:
    seen = "" if explanation.view.whole else ", as far as you may see"
    given = f"no role that contains it was ever given to {misses.who}{seen}."
    if not explanation.view.catalogue:
        return f"{given} Ask the support team for a role that does."
    roles = explanation.roles
    if not roles:
        return f"{given} No role contains it."
    listed = roles[0] if len(roles) == 1 else f"{', '.join(roles[:-1])} and {roles[-1]}"
    return f"{given} It comes with the role{'s' * (len(roles) > 1)} {listed}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
