"""Files of records, placed in lists. Read in this order: `rows` (what a file says), `mapping` (which column is which
field), `lanes` (what may go at the same time), `worker` and `worker_process` (who places a list, seen from within and
from outside), `importing` (all of it, resumable).
"""
