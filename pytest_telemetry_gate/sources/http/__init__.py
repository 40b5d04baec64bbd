"""How servers are asked: settings, one session with limits, retries and refusals in plain words."""
