"""The clock of an enquiry: what the law and the institution's own targets make of a date of receipt. Pure rules.

What happened is given, the date it is due by follows: nothing here is stored, asked of a database or of the present.
"""
