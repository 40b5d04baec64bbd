"""Who is told of a report after the outcome; nothing here can change a verdict."""
