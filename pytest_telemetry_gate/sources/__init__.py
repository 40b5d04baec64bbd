"""Sources of metrics and events, a file each; ``http`` is how all of them ask servers."""
