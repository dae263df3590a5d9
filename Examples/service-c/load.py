"""Load for the service: python3 load.py SERVICE MODEL [REQUESTS [CLIENTS]]. Starts it, sends so many short requests (10,000), some of which are
garbage or left in the midst, and prints its resident memory after the first hundred and at the end, and requests a second."""
import json, os, socket, subprocess, sys, tempfile, time

service, model = sys.argv[1:3]
requests = int(sys.argv[3]) if len(sys.argv) > 3 else 10000
width = int(sys.argv[4]) if len(sys.argv) > 4 else 4


def resident(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def connected(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    return client


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "s")
    process = subprocess.Popen([service, model, path, str(width)], stderr=subprocess.PIPE)
    process.stderr.readline()
    clients = [connected(path) for _ in range(width)]
    files = [client.makefile("rb") for client in clients]
    before, start = None, time.monotonic()
    for n in range(0, requests, width):
        for k, client in enumerate(clients):
            if (n // width + k) % 50 == 7:
                client.sendall(b"garbage\n")
                files[k].readline()
            if (n // width + k) % 50 == 9:
                # A client that leaves in the midst of its answer.
                left = connected(path)
                left.sendall(b'{"id":1,"prompt":"Once","max_tokens":1000}\n')
                left.close()
            client.sendall(json.dumps({"id": n + k, "prompt": "Once upon a time", "max_tokens": 8, "seed": n + k}).encode() + b"\n")
        for file in files:
            while b'"text"' in (line := file.readline()):
                pass
            assert b'"done"' in line, line
        if before is None and n >= 100:
            before = resident(process)
    seconds, after = time.monotonic() - start, resident(process)
    process.terminate()
    assert process.wait() == 0
    print(f"{requests} requests in {seconds:.1f} s ({requests / seconds:.0f}/s); resident {before} KB after the first hundred, {after} KB in the end")
