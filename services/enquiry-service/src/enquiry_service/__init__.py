"""What people ask of the data, and the reports that answer them."""
