-- Where a flip puts what `ledger_previous` held until then: dropping a large table takes a while, and nobody should wait.
CREATE SCHEMA ledger_discarded;
