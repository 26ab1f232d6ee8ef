"""The only code that talks to the API server. Objects are the dicts that it sends; nothing is decided here."""
