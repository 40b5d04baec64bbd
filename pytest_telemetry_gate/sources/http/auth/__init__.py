"""Credentials that change with time or with each request: tokens that a server gives out, and signatures."""
