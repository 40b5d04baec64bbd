"""Turn the success criteria of a telemetry rollout into pytest test cases over live or recorded metrics."""
