"""The History panel: what clinic staff and auditors see at `/panel`.

Read in this order: `routes` (which pages there are), `door` (who may come in), `passwords`, `sign_in`; then what every
page of a patient needs, `chart`, `filters` and `timeline`; then one file a page. `pages` renders `templates/`.
"""
