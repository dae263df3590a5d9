"""MemoryMax of the service's unit: python3 memory_max.py STLM-BUDGET MODEL [SESSIONS [RUNTIME]]. What stlm-budget says of one session, its arena again for each
further session (2 where nothing is said), what the service keeps for 64 clients, and RUNTIME bytes: none in C, in Swift its libraries."""
import json, subprocess, sys

budget = json.loads(subprocess.run([*sys.argv[1:2], sys.argv[2], "--threads", "1", "--json"], capture_output=True, check=True).stdout)
sessions = int(sys.argv[3]) if len(sys.argv) > 3 else 2
runtime = int(sys.argv[4]) if len(sys.argv) > 4 else 0
CLIENT_BYTES = 17 * 1024  # a request, what waits to be sent, and the client itself
OBJECT_BYTES = 16 * 1024  # of a session besides its arena
total = budget["resident_at_most"] + (sessions - 1) * budget["arena"]["bytes"] + sessions * OBJECT_BYTES + 64 * CLIENT_BYTES + runtime
print((total + 4095) // 4096 * 4096)
