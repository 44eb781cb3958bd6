"""The facts that enquiry-service publishes."""

from datetime import date
from typing import ClassVar

from lodge_kit.events import Fact


class EnquiryReceived(Fact):
    """An enquiry was filed."""

    type: ClassVar[str] = "enquiry.received"
    subject: ClassVar[str] = "enquiry"
    kind: str
    requester: str
    due_on: date | None


class EnquiryAssigned(Fact):
    """An enquiry was given to somebody, or taken from everybody."""

    type: ClassVar[str] = "enquiry.assigned"
    subject: ClassVar[str] = "enquiry"
    assignee: str | None


class EnquiryAnswered(Fact):
    """An enquiry was answered; what was said is read at the service."""

    type: ClassVar[str] = "enquiry.answered"
    subject: ClassVar[str] = "enquiry"
    kind: str
    requester: str
    runs: list[str]


class EnquiryClosed(Fact):
    """An enquiry was closed."""

    type: ClassVar[str] = "enquiry.closed"
    subject: ClassVar[str] = "enquiry"
    outcome: str


class EnquiryReopened(Fact):
    """An enquiry was opened again."""

    type: ClassVar[str] = "enquiry.reopened"
    subject: ClassVar[str] = "enquiry"


class EnquiryDueChanged(Fact):
    """The day by which an enquiry is due has moved; null while something is waited for."""

    type: ClassVar[str] = "enquiry.due_changed"
    subject: ClassVar[str] = "enquiry"
    due_on: date | None
    was: date | None


class EnquiryDueSoon(Fact):
    """An enquiry is due within days, and still open."""

    type: ClassVar[str] = "enquiry.due_soon"
    subject: ClassVar[str] = "enquiry"
    due_on: date
    assignee: str | None


class EnquiryOverdue(Fact):
    """The day by which an enquiry was due is over, and it is still open."""

    type: ClassVar[str] = "enquiry.overdue"
    subject: ClassVar[str] = "enquiry"
    due_on: date
    assignee: str | None


class EnquiryReviewStarted(Fact):
    """The requester asked for an internal review of an answer; it has a clock of its own."""

    type: ClassVar[str] = "enquiry.review_started"
    subject: ClassVar[str] = "enquiry"
    due_on: date | None


class ReportApproved(Fact):
    """A version of a report was approved, and is the one that runs."""

    type: ClassVar[str] = "report.approved"
    subject: ClassVar[str] = "report"
    version: int


class ReportSubmitted(Fact):
    """A version of a report waits for another to approve it."""

    type: ClassVar[str] = "report.submitted"
    subject: ClassVar[str] = "report"
    version: int


class ReportSentBack(Fact):
    """A version of a report was sent back to its author; why is read at the service."""

    type: ClassVar[str] = "report.sent_back"
    subject: ClassVar[str] = "report"
    version: int


class ReportRetired(Fact):
    """A version of a report was taken out of use; where it was the approved one, the report runs no more."""

    type: ClassVar[str] = "report.retired"
    subject: ClassVar[str] = "report"
    version: int


class ReportOwnerChanged(Fact):
    """Somebody else answers for a report."""

    type: ClassVar[str] = "report.owner_changed"
    subject: ClassVar[str] = "report"
    owner: str
    was: str


class RunFinished(Fact):
    """A run of a report came to its end, whichever it was."""

    type: ClassVar[str] = "run.finished"
    subject: ClassVar[str] = "run"
    report: str
    status: str
    rows: int
    sha256: str | None
    enquiry: str | None


ALL = (
    EnquiryReceived, EnquiryAssigned, EnquiryAnswered, EnquiryClosed, EnquiryReopened, EnquiryDueChanged,
    EnquiryDueSoon, EnquiryOverdue, EnquiryReviewStarted, ReportApproved,
    ReportSubmitted, ReportSentBack, ReportRetired, ReportOwnerChanged, RunFinished,
)  # fmt: skip
