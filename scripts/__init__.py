"""What is run by hand: `serve`, `test`, `ledger` and its verbs, benchmarks. Nothing imports this package but tests."""
