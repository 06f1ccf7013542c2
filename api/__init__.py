"""The way in over HTTP. Read in this order: `app` (the wiring), `routes`, `resources/` (one file a resource), `keys`
(who asks), `bodies` and `parameters` (what was sent), `problems` (what an error looks like), `settings`, `bootstrap`.
"""
