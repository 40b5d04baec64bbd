"""What people and machines read of a gate; every part is a function of verdicts alone."""
