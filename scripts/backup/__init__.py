"""How is the ledger backed up, and how does it come back?

Read in this order: `make` (a backup, verified by restoring it), `restore` (into an empty ledger), `whole` (is this
ledger what was backed up, and sound?), `manifest` (what a backup says of itself), `programs` (pg_dump and pg_restore).
"""
