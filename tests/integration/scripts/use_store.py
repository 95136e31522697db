"""Opens the embedded store of a home, says so, and leaves when it is told to by the end of its input."""

import sys
from pathlib import Path

from ragft.store.server import open_store

with open_store(None, Path(sys.argv[1])) as store:
    with store.lock("visits"), store.transaction() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS visits (process integer)")
        cursor.execute("INSERT INTO visits VALUES (pg_backend_pid())")
    sys.stdout.write(f"open {store.secret.hex()}\n")
    sys.stdout.flush()
    sys.stdin.read()
