"""What anybody asks of rights: what one can reach, who holds it, and why, why not, why no longer; on any day."""
