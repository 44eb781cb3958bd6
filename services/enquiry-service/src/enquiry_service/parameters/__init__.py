"""What a report asks before it runs: named, typed values, always bound, never written into the SQL as text.

In the SQL a parameter stands as `:name`. A definition says what a value may be; `bind` refuses the rest, each with
its pointer; `form` says the same to a portal that draws a form.
"""

from enquiry_service.parameters.binding import DEFINITIONS, Parameter, bind, demand_distinct, form, scope_of, written
from enquiry_service.parameters.composed import CallerScopeParameter, PersonParameter
from enquiry_service.parameters.definitions import Value

__all__ = [
    "DEFINITIONS",
    "CallerScopeParameter",
    "Parameter",
    "PersonParameter",
    "Value",
    "bind",
    "demand_distinct",
    "form",
    "scope_of",
    "written",
]
