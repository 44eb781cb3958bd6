"""What stops a run: one sentence, for the person who started it."""


class Failed(Exception):  # noqa: N818 - it is a past-tense fact: something failed
    """Told to the person as it stands: the sentence names the process or setting, and the next step."""
