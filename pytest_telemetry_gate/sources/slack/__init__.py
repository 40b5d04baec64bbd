"""Slack: how a channel is read, which of its messages count, and the event source of both."""
