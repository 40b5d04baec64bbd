"""A recording behind Prometheus' HTTP API, for dashboards and whatever else asks a Prometheus."""
