"""python -m enquiry_service serve | work | migrate."""

from lodge_kit.command import main

if __name__ == "__main__":
    main("enquiry")
