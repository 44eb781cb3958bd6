"""The rows that enquiry-service owns, a file a noun; here they are by name."""

from enquiry_service.tables.data_sources import DataSource
from enquiry_service.tables.days_off import DaysOff
from enquiry_service.tables.enquiries import Enquiry, EnquiryEvent, Message
from enquiry_service.tables.kinds import EnquiryKind, KindFields
from enquiry_service.tables.reports import Report, ReportVersion
from enquiry_service.tables.row import Row
from enquiry_service.tables.runs import AccessLog, Artifact, Run

__all__ = [
    "AccessLog",
    "Artifact",
    "DataSource",
    "DaysOff",
    "Enquiry",
    "EnquiryEvent",
    "EnquiryKind",
    "KindFields",
    "Message",
    "Report",
    "ReportVersion",
    "Row",
    "Run",
]
