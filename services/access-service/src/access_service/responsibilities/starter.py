"""The support functions that a new Lodge starts with: what running a supplier's product takes, in our own words.

An institution renames, retires and adds to them; they are put there once, where there are none.
"""

from typing import NamedTuple


class Starter(NamedTuple):
    """A support function and the skills that it needs."""

    key: str
    name: str
    description: str
    skills: tuple[str, ...]


STARTERS = (
    Starter(
        "first-line", "First-line support", "Takes questions and faults, answers what is known, passes on the rest.",
        ("Customer care", "Knowing the product as its users do"),
    ),
    Starter(
        "second-line", "Second-line support", "Finds causes, mends what can be mended here, describes the rest.",
        ("Fault analysis", "Knowing the product's configuration"),
    ),
    Starter(
        "supplier-liaison", "Supplier liaison", "Raises cases with the supplier, presses them, follows the roadmap.",
        ("Negotiation", "Knowing the contract"),
    ),
    Starter(
        "contract", "Contract and licences", "Keeps contract, licences, notice dates and the upgrade window in view.",
        ("Contract management", "Budgeting"),
    ),
    Starter(
        "access", "Access administration", "Gives and ends access rights, and reviews them.",
        ("The institution's structure", "Role design", "Data protection"),
    ),
    Starter(
        "configuration", "Configuration", "Keeps reference data, parameters and workflows as the institution works.",
        ("Business analysis", "Knowing the product's configuration"),
    ),
    Starter(
        "releases", "Releases and upgrades", "Plans and installs what the supplier delivers, in every environment.",
        ("Release planning", "System administration"),
    ),
    Starter(
        "testing", "Testing", "Plans and runs the tests of a release or a change, and signs them off.",
        ("Test design", "Knowing the business process"),
    ),
    Starter(
        "statutory", "Statutory requirements", "Reads what the law and the regulators ask, and sees it met in time.",
        ("Regulation of the sector", "Data quality"),
    ),
    Starter(
        "localisations", "Localisations", "Keeps what was built here working from one release to the next.",
        ("Software development", "Knowing the product's interfaces"),
    ),
    Starter(
        "interfaces", "Interfaces", "Keeps data flowing between this product and the other systems.",
        ("Integration", "SQL", "Data modelling"),
    ),
    Starter(
        "enquiries", "Data enquiries and reports", "Answers what people ask of the data, and maintains the reports.",
        ("SQL", "Statistics", "Data protection"),
    ),
    Starter(
        "platform", "Platform and database", "Runs servers, database, backup and restore, or watches who does.",
        ("Database administration", "System administration", "Monitoring"),
    ),
    Starter(
        "security", "Security and data protection", "Assesses risks, handles incidents, keeps records.",
        ("Information security", "Data protection"),
    ),
    Starter(
        "continuity", "Continuity", "Knows how to work without the product, and how to bring it back.",
        ("Emergency planning", "Communication"),
    ),
    Starter(
        "training", "Training and guidance", "Teaches the users and keeps the guidance true.",
        ("Teaching", "Technical writing"),
    ),
    Starter(
        "user-groups", "User groups", "Speaks for the institution among the supplier's other customers.",
        ("Negotiation", "Knowing the business process"),
    ),
)  # fmt: skip
