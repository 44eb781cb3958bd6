"""Who may do what in which system, and who answers for what."""
