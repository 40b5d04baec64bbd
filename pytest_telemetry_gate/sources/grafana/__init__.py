"""The event source ``grafana``: the alerts of rules that Grafana itself manages."""
