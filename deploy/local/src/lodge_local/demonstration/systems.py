"""The four suppliers' systems: what can be done in each, and the roles made of that. Data only; all names made up."""

from dataclasses import dataclass

ENVIRONMENTS = ("live", "preview", "test", "training")


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role: what it contains itself, and the roles it inherits from."""

    name: str
    description: str
    permissions: tuple[str, ...]
    inherits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemSpec:
    """A system; its permissions are lines of `name | description | module | supplier's code`.

    A name is `resource.action`. `owner` is the unit whose head answers for it, `team` those who run it.
    """

    key: str
    name: str
    supplier: str
    description: str
    owner: str
    team: tuple[str, ...]
    permissions: str
    roles: tuple[RoleSpec, ...]

    def parsed(self) -> list[tuple[str, str, str, str]]:
        """Answer the permissions as (name, description, module, supplier's code)."""
        rows = [line.split(" | ") for line in self.permissions.strip().splitlines()]
        return [(row[0].strip(), row[1], row[2], row[3].strip()) for row in rows]


RECORDS = SystemSpec(
    "student-records", "Campus Records", "Meridian Campus Systems",
    "Students from admission to award: enrolment, modules, assessment, statutory returns.",
    "Student Records", ("Student Records", "Admissions", "Examinations", "Statutory Returns"),
    """
    student.read | Read a student's record | Students | SRS-STU-10
    student.change | Change a student's record | Students | SRS-STU-20
    student.merge | Merge two records of one student | Students | SRS-STU-35
    address.read | Read addresses | Students | SRS-ADR-10
    address.change | Change addresses | Students | SRS-ADR-20
    applicant.read | Read applications | Admissions | SRS-ADM-10
    applicant.decide | Make or withdraw an offer | Admissions | SRS-ADM-40
    enrolment.read | Read enrolments | Enrolment | SRS-ENR-10
    enrolment.change | Enrol, transfer, suspend, withdraw | Enrolment | SRS-ENR-20
    module.read | Read modules | Curriculum | SRS-CUR-10
    module.change | Create and change modules | Curriculum | SRS-CUR-20
    mark.read | Read marks | Assessment | SRS-ASM-10
    mark.enter | Enter provisional marks | Assessment | SRS-ASM-20
    mark.confirm | Confirm marks at a board | Assessment | SRS-ASM-50
    award.confer | Confer awards | Assessment | SRS-AWD-50
    transcript.print | Print transcripts | Assessment | SRS-AWD-60
    return.prepare | Prepare a statutory return | Returns | SRS-RET-20
    return.submit | Submit a statutory return | Returns | SRS-RET-50
    configuration.change | Change codes and rules | System | SRS-SYS-90
    """,
    (
        RoleSpec("Record viewer", "Reads students, enrolments and modules.",
                 ("student.read", "enrolment.read", "module.read")),
        RoleSpec("Module leader", "Reads and enters the marks of modules.", ("mark.read", "mark.enter"),
                 ("Record viewer",)),
        RoleSpec("Records officer", "Keeps students' records and enrolments.",
                 ("student.change", "address.read", "address.change", "enrolment.change", "transcript.print"),
                 ("Record viewer",)),
        RoleSpec("Admissions officer", "Reads applications and decides about them.",
                 ("applicant.read", "applicant.decide", "address.read"), ("Record viewer",)),
        RoleSpec("Examinations officer", "Confirms marks and confers awards.",
                 ("mark.read", "mark.confirm", "award.confer"), ("Records officer",)),
        RoleSpec("Returns analyst", "Prepares statutory returns.", ("return.prepare", "mark.read"),
                 ("Record viewer",)),
        RoleSpec("Returns signatory", "Submits statutory returns.", ("return.submit",), ("Returns analyst",)),
        RoleSpec("Records administrator", "Configures the system.",
                 ("configuration.change", "student.merge", "module.change"), ("Examinations officer",)),
    ),
)  # fmt: skip

FINANCE = SystemSpec(
    "finance", "Ledgerline", "Northfell Business Software",
    "Ledgers, purchasing, expenses, research accounts, payroll interface.",
    "Finance", ("Finance", "Accounts Payable", "Payroll", "Research Finance"),
    """
    journal.read | Read journals | General ledger | GL01
    journal.post | Post journals | General ledger | GL05
    period.close | Close a period | General ledger | GL90
    budget.read | Read budgets | Budgets | BU01
    budget.change | Move budget | Budgets | BU05
    requisition.raise | Raise a requisition | Purchasing | PO02
    requisition.approve | Approve a requisition | Purchasing | PO06
    invoice.register | Register an invoice | Payables | AP02
    invoice.pay | Release a payment | Payables | AP08
    supplier.change | Create and change suppliers | Payables | AP20
    expense.claim | Claim expenses | Expenses | EX01
    expense.approve | Approve expenses | Expenses | EX05
    grant-account.read | Read research accounts | Research | RS01
    grant-account.claim | Claim from a funder | Research | RS07
    payroll.load | Load the payroll file | Payroll | PY10
    """,
    (
        RoleSpec("Claimant", "Claims expenses and raises requisitions.", ("expense.claim", "requisition.raise")),
        RoleSpec("Budget holder", "Approves what is spent from a budget.",
                 ("budget.read", "requisition.approve", "expense.approve"), ("Claimant",)),
        RoleSpec("Payables clerk", "Registers invoices.", ("invoice.register", "journal.read")),
        RoleSpec("Payments officer", "Releases payments.", ("invoice.pay", "journal.read")),
        RoleSpec("Research accountant", "Runs research accounts.",
                 ("grant-account.read", "grant-account.claim", "journal.read")),
        RoleSpec("Financial accountant", "Posts journals and closes periods.",
                 ("journal.read", "journal.post", "period.close", "budget.read", "budget.change")),
        RoleSpec("Supplier maintainer", "Keeps the list of suppliers.", ("supplier.change",)),
    ),
)  # fmt: skip

LIBRARY = SystemSpec(
    "library", "Stackwise", "Quillgate Library Technologies",
    "Catalogue, circulation, acquisitions, reading lists.",
    "Library", ("Library", "Collections", "Reader Services"),
    """
    item.read | Read items and holdings | Catalogue | CAT.VIEW
    item.catalogue | Catalogue items | Catalogue | CAT.EDIT
    item.withdraw | Withdraw items | Catalogue | CAT.WDRW
    loan.issue | Issue and return | Circulation | CIR.DESK
    loan.override | Override a block | Circulation | CIR.OVRD
    fine.waive | Waive a charge | Circulation | CIR.WAIV
    order.place | Order from a vendor | Acquisitions | ACQ.ORDR
    order.approve | Approve an order | Acquisitions | ACQ.APPR
    reading-list.edit | Edit reading lists | Reading lists | RDL.EDIT
    reading-list.publish | Publish reading lists | Reading lists | RDL.PUBL
    """,
    (
        RoleSpec("List author", "Edits reading lists.", ("item.read", "reading-list.edit")),
        RoleSpec("Desk assistant", "Issues, returns, answers.", ("item.read", "loan.issue")),
        RoleSpec("Desk supervisor", "May override and waive.", ("loan.override", "fine.waive"), ("Desk assistant",)),
        RoleSpec("Cataloguer", "Catalogues and withdraws items.", ("item.read", "item.catalogue", "item.withdraw")),
        RoleSpec("Acquisitions librarian", "Orders, and publishes reading lists.",
                 ("order.place", "order.approve", "reading-list.publish"), ("List author",)),
    ),
)  # fmt: skip

TIMETABLE = SystemSpec(
    "timetabling", "TermGrid", "Tessaline Scheduling",
    "Rooms, events, examinations, students' own timetables.",
    "Timetabling", ("Timetabling", "Estates", "Examinations"),
    """
    timetable.read | Read every timetable | Events | TG_VIEW
    event.place | Place an event | Events | TG_PLACE
    event.force | Place an event over a clash | Events | TG_FORCE
    room.book | Book a room | Rooms | TG_BOOK
    room.change | Create and change rooms | Rooms | TG_ROOM
    constraint.change | Change constraints | Solver | TG_CONS
    solution.publish | Publish a timetable | Solver | TG_PUBL
    examination.place | Place examinations | Examinations | TG_EXAM
    """,
    (
        RoleSpec("Timetable viewer", "Reads every timetable, books rooms.", ("timetable.read", "room.book")),
        RoleSpec("Department scheduler", "Places a department's events.", ("event.place",), ("Timetable viewer",)),
        RoleSpec("Examinations scheduler", "Places examinations.", ("examination.place",), ("Timetable viewer",)),
        RoleSpec("Timetable manager", "Solves and publishes.",
                 ("event.force", "constraint.change", "solution.publish", "room.change"), ("Department scheduler",)),
    ),
)  # fmt: skip

SYSTEMS = (RECORDS, FINANCE, LIBRARY, TIMETABLE)
