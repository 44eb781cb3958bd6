"""What is no working day besides weekends and the bank holidays that the library knows."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Column, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from enquiry_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned, id_column

DAYS_OFF_KINDS = ("bank-holiday", "closure")


class DaysOff(Versioned, Row, table=True):
    """A proclaimed bank holiday of some nations, or a closure of the institution. Withdrawn, never deleted."""

    __tablename__ = "days_off"
    __table_args__ = (
        one_of("kind", *DAYS_OFF_KINDS),
        CheckConstraint("first_on <= last_on", name="in_order"),
        CheckConstraint("(kind = 'closure') = (nations = '{}')", name="of_nations"),
        Index("ix_days_off_first_on_id", "first_on", "id"),
    )

    id: str = id_column()
    kind: str = Field(sa_type=Text)
    first_on: date
    last_on: date
    name: str = Field(sa_type=Text)
    nations: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    entered_by: str = Field(sa_type=IdText)
    withdrawn_at: datetime | None = Field(default=None, sa_type=Instant)
    withdrawn_by: str | None = Field(default=None, sa_type=IdText)
