"""An invented university to look at: people, grants, releases, enquiries, and a student records database.

Everything follows from one seed and from the day on which loading began; nothing is drawn from a clock.
"""
