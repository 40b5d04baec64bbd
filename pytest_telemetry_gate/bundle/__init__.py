"""The evidence bundle: a report with everything that it rests on, in one file that judges itself again offline."""
