"""Lodge's own permissions in enquiry-service, and the built-in roles that contain them from the start."""

from lodge_kit.identity import Permission

FILE = Permission("enquiry.file", "File an enquiry, and follow one's own.", ("member",))
READ = Permission("enquiry.read", "Read every enquiry, internal messages included.", ("support-officer", "auditor"))
ANSWER = Permission(
    "enquiry.answer", "Assign, answer, close and reopen enquiries, and stop their clocks.", ("support-officer",)
)
SOURCES = Permission("enquiry.sources", "Register and check data sources.", ())
REPORTS_READ = Permission(
    "enquiry.reports.read", "Read reports, their SQL and their runs.", ("support-officer", "system-owner", "auditor")
)
REPORTS_WRITE = Permission("enquiry.reports.write", "Write reports.", ("support-officer",))
APPROVE = Permission("enquiry.reports.approve", "Approve a report that another has written.", ("support-officer",))
RUN = Permission("enquiry.reports.run", "Run reports and fetch what they found.", ("support-officer",))

GRANTED = Permission(
    "enquiry.reports.granted", "Use the rights on single reports that one was given in access-service.", ("member",)
)

ADHOC = Permission("enquiry.adhoc", "Run a draft of a report for a named enquiry, before anybody has approved it.", ())

CALENDARS = Permission("enquiry.calendars", "Add closures and proclaimed bank holidays to the calendars.", ())

KINDS = Permission("enquiry.kinds", "Say which kinds of enquiries there are, with their fields and targets.", ())

ALL = (FILE, READ, ANSWER, CALENDARS, KINDS, SOURCES, REPORTS_READ, REPORTS_WRITE, APPROVE, RUN, GRANTED, ADHOC)
