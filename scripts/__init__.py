"""What does an operator type? One word per routine action.

`serve` starts everything, `test` runs the tests, `ledger` is the command line, `lock` pins the dependencies.
`environment.sh` makes their `.venv`; `embedded` is the PostgreSQL that comes with the project.
"""
