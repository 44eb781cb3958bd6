"""What every deployable of Lodge needs the same, and nothing of any domain."""
