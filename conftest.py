"""For all tests."""

# First of all: a folder beside this file is called gateway too, and pytest would take it for the package.
import gateway  # noqa: F401 - see above

pytest_plugins = ["lodge_kit.testing.needs"]
