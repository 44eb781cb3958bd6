"""Who did what, when: written in the transaction of the deed, sealed in order after it, verified when asked.

What a row says of a person stands in it as a salted digest, the clear value beside it: a person can be forgotten
without a row, or the chain of their seals, being touched.
"""

from lodge_kit.audit.chain import Head, head, seal
from lodge_kit.audit.recording import erase, record
from lodge_kit.audit.verifying import AuditFinding, Verification, verify

__all__ = ["AuditFinding", "Head", "Verification", "erase", "head", "record", "seal", "verify"]
