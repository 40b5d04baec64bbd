"""PagerDuty: how its pages are asked, what its records say, and the event source of both."""
