"""A run: a report's query executed in a process of its own, its result spooled to a file.

`parent.run_in_child` starts `python -m enquiry_service.export`, which reads a `Spec` and answers an `Outcome`.
"""
