"""What people ask and what is said to them. `{…}` are filled from the campus. Data only."""

TITLES: dict[str, tuple[str, ...]] = {
    "data": (
        "Students of {unit} by year of study",
        "Contact list for first years in {unit}",
        "Withdrawals from {unit} since {month}",
        "Entry grades in {unit}, last three years",
        "Who teaches on more than one module in {unit}?",
        "International students in {unit}",
        "Part-time students by programme, {unit}",
        "Progression in {unit}",
    ),
    "report": (
        "Regular list of late marks for {unit}",
        "Module pass rates for {unit}",
        "Enrolment figures every Monday, {unit}",
        "Attendance summary for the {unit} board",
        "Awards by class for {unit}",
        "A report for accreditation of {unit}",
    ),
    "fault": (
        "{system} does not print transcripts",
        "Wrong tutor shown in {system}",
        "{system} is slow since {month}",
        "Marks disappear after saving in {system}",
        "Cannot open {system} from home",
        "Duplicate record in {system}",
    ),
    "access": (
        "Access to {system} for a new colleague",
        "Remove access to {system}: left {unit}",
        "Cannot see {unit} in {system}",
        "Role for module leaders of {unit}",
        "Access for the external examiner, {unit}",
    ),
    "foi": (
        "Number of complaints since {month}",
        "Spend on {system}",
        "Degree classes by ethnicity, five years",
        "Contracts with the supplier of {system}",
        "Appeals and their outcome by faculty",
    ),
    "sar": (
        "Subject access request of a former student",
        "Subject access request of an applicant",
        "Subject access request of a member of staff",
    ),
    "return": (
        "Student return: queries on {unit}",
        "Early statistics: check {unit}",
        "Finance return: student numbers",
        "Graduate outcomes: contact details for {unit}",
    ),
}
"""Titles by kind of enquiry."""

WEIGHTS = {"data": 38, "report": 14, "fault": 20, "access": 17, "foi": 4, "sar": 3, "return": 4}

PURPOSES = (
    "Departmental board.",
    "Annual monitoring.",
    "Planning rooms for next term.",
    "Accreditation visit.",
    "A question of the dean.",
    "Workload planning.",
    "Open day.",
    "External examiner's visit.",
    "",
)
DESCRIPTIONS = (
    "We need this for the meeting next week. Last year's layout is fine.",
    "Only students who are enrolled now, please, and one line each.",
    "The numbers that we have do not agree with those of Planning. Which are right?",
    "A list by name is not needed; totals are enough.",
    "It worked last week. I have tried another browser.",
    "Please leave out those who have suspended their studies.",
    "As agreed with the head of department.",
)
QUESTIONS = (
    "Which academic year do you mean?",
    "Do you need names, or are totals enough?",
    "Should students who have suspended be counted?",
    "Could you send a picture of what you see?",
    "For which programmes?",
)
REPLIES = (
    "This year's.",
    "Totals are enough.",
    "No, only active ones.",
    "Attached to my other mail; it is the second page.",
    "All of ours.",
)
INTERNAL = (
    "Same as last term: use the approved report.",
    "Check with Planning before this goes out.",
    "Small numbers: mind disclosure.",
    "Known fault; the supplier mends it in the next patch.",
    "Head of department has agreed by telephone.",
    "Needs the records team.",
)
ANSWERS = {
    "data": (
        "The list is attached to this answer. It counts who is enrolled today.",
        "Here are the figures, by year of study.",
    ),
    "report": (
        "The report is set up; its first result is attached.",
        "You have it from now on; this is the latest result.",
    ),
    "fault": (
        "The record was mended; please look again.",
        "It was a wrong code, which is put right.",
        "The supplier has mended it; the patch is in live since this morning.",
    ),
    "access": ("The role is given from today.", "Done. It can take half a minute until the system knows."),
    "foi": ("The figures asked for are attached.", "We hold some of this; what we hold is attached."),
    "sar": ("The file was sent by the secure way that was agreed.",),
    "return": ("The queries are settled, and the codes are put right.", "Checked: the figures stand."),
}
REOPENINGS = (
    "The last column is empty.",
    "Two programmes are missing.",
    "It happens again.",
    "Thank you, but for last year, please.",
)
CLOSINGS = {
    "answered": ("No more questions.", ""),
    "refused": ("Beyond the cost limit.", "Exempt."),
    "withdrawn": ("Not needed any more.",),
    "duplicate": ("The same was asked a week before.",),
    "not-held": ("We hold no such data.",),
}
