"""A small parser of Python, Go and JavaScript sources as a service and a command, instrumented with OpenTelemetry."""
