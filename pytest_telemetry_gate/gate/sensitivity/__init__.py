"""What a suite can see: faults are put into a recording, and the smallest that closes the gate is searched."""
