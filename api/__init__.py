"""The way in over HTTP. Read in this order: `app` (routes), `resources/` (one file a resource), `keys` (who asks),
`bodies` and `parameters` (what was sent), `problems` (what an error looks like), `settings`, `bootstrap`.
"""
