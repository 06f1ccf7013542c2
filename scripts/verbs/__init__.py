"""The verbs of `./scripts/ledger`, one file for each group. Read `connection` first: which database they work on."""
