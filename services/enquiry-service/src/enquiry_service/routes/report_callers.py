"""Who calls about one report, with the rights that a route needs: asked for before the body is read."""

from typing import Annotated, Any

from fastapi import Depends

from enquiry_service import report_rights
from enquiry_service.report_rights import ReportRight
from lodge_kit.identity import Authenticated, Caller
from lodge_kit.world import Here


def _with(*wanted: ReportRight) -> Any:
    async def found(report_id: str, here: Here, by: Authenticated) -> Caller:
        await report_rights.demand(here, report_id, *wanted, by=by)
        return by

    return Depends(found)


ReportRunner = Annotated[Caller, _with("run")]
ReportReader = Annotated[Caller, _with("see-sql")]
ReportWriter = Annotated[Caller, _with("edit")]
ReportEditor = Annotated[Caller, _with("edit", "see-sql")]
"""Who changes what another wrote: what is wrong with it is told in its own words."""
