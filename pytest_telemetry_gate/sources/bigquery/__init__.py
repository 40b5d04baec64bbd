"""BigQuery: how its queries are written, who asks, what a job may cost, and the source of all that."""
