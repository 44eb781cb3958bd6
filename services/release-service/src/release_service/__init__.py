"""What suppliers deliver, and when."""
