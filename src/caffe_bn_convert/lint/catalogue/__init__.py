"""The rules' texts, one module a subject."""
