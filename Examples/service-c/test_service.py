"""Tests of the service, in C or in Swift: python3 test_service.py SERVICE MODEL STLM-RUN STLM-BUDGET [UNIT [RUNTIME]]. SERVICE is the program, MODEL the
example model packed, STLM-RUN the program whose text an answer must be, UNIT its unit for systemd (stlm.service of this folder where nothing is said), RUNTIME
bytes of its language's runtime that the unit allows it. Nothing is timed; what does not come within a minute has failed."""
import json, os, signal, socket, subprocess, sys, tempfile, unittest

SERVICE, MODEL, RUN, BUDGET = sys.argv[1:5]
FOLDER = os.path.dirname(os.path.abspath(__file__))
UNIT = sys.argv[5] if len(sys.argv) > 5 else os.path.join(FOLDER, "stlm.service")
RUNTIME = sys.argv[6] if len(sys.argv) > 6 else "0"
PATIENCE = 60


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.rest = b""

    def send(self, *requests):
        self.socket.sendall(b"".join(r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in requests))

    def line(self):
        while b"\n" not in self.rest:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def answer(self):
        """The text of an answer, and its last line."""
        text = ""
        while True:
            line = self.line()
            if line is None or "text" not in line:
                return text, line
            text += line["text"]

    def close(self):
        self.socket.close()


class ServiceTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "s")
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.settimeout(PATIENCE)
        self.notified.bind(os.path.join(self.folder.name, "n"))
        self.process = None

    def start(self, sessions=2, **more):
        environment = dict(os.environ, NOTIFY_SOCKET=self.notified.getsockname(), **more)
        self.process = subprocess.Popen([SERVICE, MODEL, self.path, str(sessions)], env=environment, stderr=subprocess.DEVNULL)
        self.assertEqual(self.notified.recv(100), b"READY=1")

    def tearDown(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.assertEqual(self.process.wait(PATIENCE), 0)
            self.assertFalse(os.path.exists(self.path))
        self.notified.close()
        self.folder.cleanup()

    def expected(self, prompt, count, seed, temperature="0.8"):
        out = subprocess.run([RUN, MODEL, "-p", prompt, "-n", str(count), "--seed", str(seed), "--temp", temperature, "--no-echo", "--slide"],
                             capture_output=True, check=True).stdout
        return out[:-1].decode()

    def request(self, k, prompt, count=30):
        return {"id": k, "prompt": prompt, "max_tokens": count, "seed": k, "temperature": 0.8}

    def test_four_clients_at_once_get_what_stlm_run_writes(self):
        self.start(sessions=3)
        prompts = ["Once upon a time", "The dog", "\u00c9milie said: \"hello\"\n", ""]
        clients = [Client(self.path) for _ in prompts]
        for _ in range(3):
            for k, (client, prompt) in enumerate(zip(clients, prompts)):
                client.send(self.request(k, prompt))
            for k, (client, prompt) in enumerate(zip(clients, prompts)):
                text, last = client.answer()
                self.assertEqual(text, self.expected(prompt, 30, k))
                self.assertEqual(last["id"], k)
                self.assertIn(last["done"], ["tokens", "end", "stop"])
        # Several requests in one go are answered one after the other.
        clients[0].send(self.request(7, "One"), self.request(8, "Two"), self.request(9, "Three"))
        for k, prompt in ((7, "One"), (8, "Two"), (9, "Three")):
            text, last = clients[0].answer()
            self.assertEqual((text, last["id"]), (self.expected(prompt, 30, k), k))

    def test_steps_are_shared_fairly(self):
        self.start(sessions=2)
        long, short = Client(self.path), Client(self.path)
        long.send(self.request(1, "Once", 100000))
        self.assertIn("text", long.line())
        # A short answer comes to its end while the long one goes on.
        short.send(self.request(2, "Once", 5))
        self.assertEqual(short.answer()[1]["id"], 2)
        long.close()

    def test_garbage_is_one_error_line_and_the_connection_stays(self):
        self.start()
        client = Client(self.path)
        good = b'{"id":5,"prompt":"Once","max_tokens":2,"seed":1}\n'
        for garbage, part in [
            (b"\n", "no JSON"), (b"nonsense\n", "no JSON"), (b'{"id":1\n', "no JSON"), (b'{"id":1,"prompt":"a"} x\n', "no JSON"),
            (b'{"id":1,"prompt":"\xff\xfe"}\n', "not UTF-8"), (b'{"id":1,"prompt":"\xed\xa0\x80"}\n', "not UTF-8"),
            (b'{"id":1,"prompt":"\\ud800"}\n', "no JSON"), (b'{"id":1,"prompt":"\x01"}\n', "no JSON"),
            (b'{"id":1,"prompt":"a","colour":"red"}\n', "not known"), (b'{"prompt":"a"}\n', "no id"), (b'{"id":1}\n', "no prompt"),
            (b'{"id":-1,"prompt":"a"}\n', "number"), (b'{"id":1e3,"prompt":"a"}\n', "no JSON"), (b'{"id":99999999999999999999,"prompt":"a"}\n', "too large"),
            (b'{"id":1,"prompt":"a","temperature":101}\n', "too large"), (b'{"id":1,"prompt":"a","stop":""}\n', "1 to 256"),
            (b'{"id":1,"prompt":"' + b"a" * 20000 + b'"}\n', "too long"), (b"x" * 100000 + b"\n", "too long"),
            (b"[" * 5000 + b"\n", "no JSON"), (bytes(range(1, 10)) * 50 + b"\n", "no JSON"),
        ]:
            client.send(garbage)
            line = client.line()
            self.assertIn(part, line["error"], garbage[:60])
            client.send(good)
            self.assertEqual(client.answer()[1]["done"], "tokens", garbage[:60])
        # A line in many pieces is one line.
        for k in range(len(good)):
            client.send(good[k:k + 1])
        self.assertEqual(client.answer()[1]["id"], 5)

    def test_clients_that_leave_or_do_not_read_cost_nobody_anything(self):
        self.start(sessions=3)
        deaf = Client(self.path)
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        deaf.send(self.request(1, "Once", 1000000))
        for k in range(20):
            leaver = Client(self.path)
            leaver.send(self.request(2, "Once", 1000000))
            if k % 2:
                leaver.line()
            leaver.close()
            client = Client(self.path)
            client.send(self.request(3, "The dog", 8))
            self.assertEqual(client.answer()[0], self.expected("The dog", 8, 3) if k == 0 else text)
            text = self.expected("The dog", 8, 3) if k == 0 else text
            client.close()
        # One that has no more to say still gets its answer.
        client = Client(self.path)
        client.send(self.request(4, "The dog", 8))
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(client.answer()[1]["id"], 4)
        self.assertIsNone(client.line())

    def test_more_clients_than_there_is_room_for_are_told(self):
        self.start()
        clients = [Client(self.path) for _ in range(64)]
        clients[63].send(self.request(1, "Once", 2))
        self.assertEqual(clients[63].answer()[1]["id"], 1)
        self.assertIn("as many clients", Client(self.path).line()["error"])

    def test_a_signal_ends_it_after_the_clients_are_told(self):
        self.start()
        idle, busy = Client(self.path), Client(self.path)
        busy.send(self.request(1, "Once", 1000000))
        self.assertIn("text", busy.line())
        idle.send(b'{"id":2,')
        self.process.send_signal(signal.SIGTERM)
        self.assertIn("stops", busy.answer()[1]["error"])
        self.assertIn("stops", idle.line()["error"])
        self.assertIsNone(busy.line())
        self.assertEqual(self.process.wait(PATIENCE), 0)
        messages = []
        while b"STOPPING=1" not in messages:
            messages.append(self.notified.recv(100))

    def test_the_watchdog_hears_of_it_while_it_works_and_while_it_waits(self):
        self.start(WATCHDOG_USEC="20000")
        for _ in range(3):
            self.assertEqual(self.notified.recv(100), b"WATCHDOG=1")
        client = Client(self.path)
        client.send(self.request(1, "Once", 1000000))
        self.assertIn("text", client.line())
        for _ in range(3):
            self.assertEqual(self.notified.recv(100), b"WATCHDOG=1")

    def test_memory_is_what_the_unit_allows(self):
        with open(UNIT) as unit:
            allowed = next(int(line.split("=")[1]) for line in unit if line.startswith("MemoryMax="))
        said = subprocess.run([sys.executable, "-B", os.path.join(FOLDER, "memory_max.py"), BUDGET, MODEL, "2", RUNTIME], capture_output=True, check=True)
        self.assertEqual(allowed, int(said.stdout))
        self.start(sessions=2)
        clients = [Client(self.path) for _ in range(64)]
        for client in clients[:4]:
            client.send(self.request(1, "Once upon a time " * 200, 300))
        for client in clients[:4]:
            self.assertIn("done", client.answer()[1])
        with open(f"/proc/{self.process.pid}/status") as status:
            numbers = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in status if line.startswith("Rss")}
        # Of the mapped files the model is what counts: the C library belongs to all.
        self.assertLessEqual(numbers["RssAnon"] + os.path.getsize(MODEL), allowed)

    def test_a_socket_that_is_handed_over_is_used(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()
        # The child's own number is known to itself only.
        shell = "exec 3<&%d; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"" % listener.fileno()
        environment = dict(os.environ, NOTIFY_SOCKET=self.notified.getsockname())
        process = subprocess.Popen(["/bin/bash", "-c", shell, SERVICE, MODEL, "/nowhere/at/all"], env=environment, pass_fds=[listener.fileno()],
                                   stderr=subprocess.DEVNULL)
        self.assertEqual(self.notified.recv(100), b"READY=1")
        client = Client(self.path)
        client.send(self.request(1, "Once", 2))
        self.assertEqual(client.answer()[1]["id"], 1)
        process.terminate()
        self.assertEqual(process.wait(PATIENCE), 0)
        # It was not the service's to remove.
        self.assertTrue(os.path.exists(self.path))
        listener.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], warnings="ignore")
