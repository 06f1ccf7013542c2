"""What is true of patients. Pure but for `ledger`, which asks the event store, and `review`, `erasure` and `explain`,
which ask it through the ledger.

Read in this order: `events` (the stored format), `patient_state` and `changes_alone` (what is known of a patient, what
an event changes of it), `patient` and `organization` (decide, evolve), `record` and `normalise` (what a partner sends),
`names` and `matching` (who it is), `upsert` (what it changes), `receipt` and `placing` (where it lands), `ledger` (the
application), `entry` and `hashing` (the envelope and its bytes), `merkle`, `proofs` and `stream_heads` (what is proved
of it), `signed_note` and `checkpoint` (what is signed), `export` (what an auditor takes home).
"""
