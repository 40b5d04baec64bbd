"""Values from tables: queries in SQL, one row for each set of labels."""
