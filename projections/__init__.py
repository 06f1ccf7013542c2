"""Readings of the stream, and the store that keeps them in step with it.

Read in this order: `event_store` (the recorder), `unit_of_work` (one transaction), then one file a projection:
`patients`, `match_index`, `directory`; `resource` and `history` say what people get to see. `checkpoints` and
`checkpoint_folder` sign what the ledger holds.
"""
