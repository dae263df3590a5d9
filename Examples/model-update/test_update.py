"""Tests of the update: python3 test_update.py UPDATE POWER_CUT STLM-RUN MODEL MODEL MODEL. UPDATE is the program, POWER_CUT the library that cuts the
power (Tests/CProgram/power_cut.c), the models are three that differ. Nothing is timed.

Of each run that is cut two things are tried: the process ends before each of its calls; and the power goes after each, so that what was not synced
is lost, or is there, each piece by itself. Of what is left a service must start with a model that works, and the next update must succeed."""
import fcntl, filecmp, itertools, os, re, shutil, subprocess, sys, tempfile, unittest

UPDATE, POWER_CUT, RUN, OLD, NEW, OTHER = (os.path.abspath(word) for word in sys.argv[1:7])
SERVE = ["sh", "-c", 'echo "$1"; exec "$0" "$1" -p "" -n 4 --temp 0 --threads 1', RUN, "{}"]
# Memory, where it can be had as a file system: what is on the medium is computed here.
tempfile.tempdir = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
POOL = tempfile.TemporaryDirectory()
TRIED = {"ends": 0, "cuts": 0, "states": 0, "mutations": 0, "failures": 0}


def update(*words, **environment):
    return subprocess.run([UPDATE, *words], capture_output=True, text=True, env=dict(os.environ, **environment))


def cut(words, **environment):
    """With the library that cuts."""
    return update(*words, LD_PRELOAD=POWER_CUT, **{name: str(value) for name, value in environment.items()})


class Content:
    """A file's bytes: those of a model, its beginning only, or something else in place of what did not reach the medium."""
    def __init__(self, model, count=None, kind="whole"):
        self.model, self.count, self.kind = model, os.path.getsize(model) if count is None else count, kind
        self.key = (model, self.count, kind)

    @property
    def is_model(self):
        return self.kind == "whole" and self.count == os.path.getsize(self.model)

    def lost(self):
        """What may be there where it was never synced."""
        yield self
        for kind in "empty", "half", "zeros", "torn":
            yield Content(self.model, self.count, kind)

    def path(self):
        path = os.path.join(POOL.name, "-".join([os.path.basename(self.model), str(self.count), self.kind]))
        if not os.path.exists(path):
            with open(self.model, "rb") as file:
                data = file.read(self.count)
            n = len(data)
            data = {"whole": data, "empty": b"", "half": data[:n // 2], "zeros": bytes(n), "torn": data[:n // 4096 // 2 * 4096] + bytes(4096)
                    + data[(n // 4096 // 2 + 1) * 4096:], "rotten": data[:-1] + bytes([data[-1] ^ 1]) if n else b""}[self.kind]
            with open(path, "wb") as file:
                file.write(data)
            os.chmod(path, 0o444)
        return path


def states(begin, calls, source):
    """Each directory that a cut of the power after these calls may leave, as a dictionary of names and contents: a call that changes the
    directory is lost or not as long as the directory was not synced after it, and what was written as long as its file was not."""
    contents, files = list(begin.values()), {name: inode for inode, name in enumerate(begin)}
    synced, durable, pending = set(files.values()), dict(files), []
    for kind, name, *more in calls:
        if kind == "open":
            files[name] = len(contents)
            contents.append(Content(source, 0))
            pending.append((None, name, files[name]))
        elif kind == "write":
            contents[files[name]] = Content(source, contents[files[name]].count + int(more[0]))
            synced.discard(files[name])
        elif kind == "rename":
            files[more[0]] = files.pop(name)
            pending.append((name, more[0], files[more[0]]))
        elif kind == "unlink":
            pending.append((name, None, files.pop(name)))
        elif name == ".":
            durable, pending = dict(files), []
        else:
            synced.add(files[name])
    for done in itertools.product((0, 1), repeat=len(pending)):
        names = dict(durable)
        for is_done, (old, new, inode) in zip(done, pending):
            if is_done and names.get(old) == inode:
                del names[old]
            if is_done and new:
                names[new] = inode
        for found in itertools.product(*[[contents[i]] if i in synced else contents[i].lost() for i in names.values()]):
            yield dict(zip(names, found))


class UpdateTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.number = 0

    def tearDown(self):
        self.folder.cleanup()

    def directory(self, state):
        """A directory of that state: links, whose contents nothing may change."""
        self.number += 1
        path = os.path.join(self.folder.name, str(self.number))
        os.mkdir(path)
        for name, content in state.items():
            os.link(content.path(), os.path.join(path, name))
        return path

    def start(self, path, **environment):
        """The model that a service starts with, or nothing."""
        outcome = update("--start", path, *SERVE, **environment)
        if outcome.returncode != 0:
            return None, outcome.stderr
        name, text = outcome.stdout.split("\n", 1)
        model = next((m for m in (OLD, NEW, OTHER) if filecmp.cmp(name, m, shallow=False)), None)
        self.assertIsNotNone(model, name)
        self.assertEqual(text, self.text(model))
        return model, outcome.stderr

    texts = {}

    def text(self, model):
        if model not in self.texts:
            self.texts[model] = subprocess.run([RUN, model, "-p", "", "-n", "4", "--temp", "0"], capture_output=True, text=True, check=True).stdout
        return self.texts[model]

    def survives(self, path, allowed, description):
        """A service starts with one of these, and goes on with the next update."""
        model, errors = self.start(path)
        if model not in allowed:
            return f"{description}: {model} is served, {errors}"
        following = OTHER if model != OTHER else OLD
        outcome = update(following, path)
        if outcome.returncode != 0:
            return f"{description}: {outcome.stderr}"
        served, errors = self.start(path)
        if served != following:
            return f"{description}: {served} is served after the next update, {errors}"
        if update("--confirm", path).returncode != 0:
            return f"{description}: the next update cannot be confirmed"
        names = os.listdir(path)
        if len(names) > 2 or "new.tmp" in names:
            return f"{description}: {names} is left"
        shutil.rmtree(path)
        return None

    def cut_everywhere(self, begin, words, source, allowed, after, ends=None, mutates=True):
        """Cuts a run that begins with a state. `allowed` are the models that may be served after a cut, `after` those once it has ended, `ends`
        a name that must be there then. Each fsync must be for something: without it some state is wrong."""
        def run(**environment):
            path = self.directory(begin)
            log = path + ".log"
            outcome = cut([word.replace("DIRECTORY", path) for word in words], CUT_LOG=log, **environment)
            # Without a call there is none.
            open(log, "a").close()
            with open(log) as file:
                return path, outcome, [line.split() for line in file]

        path, outcome, calls = run()
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertGreater(len(calls), 1)
        for n in itertools.count(1):
            path, outcome, made = run(CUT_AT=n)
            if outcome.returncode == 0:
                # At least all that are noted; one that finds nothing to remove is not.
                self.assertGreater(n, len(calls))
                break
            self.assertEqual(outcome.returncode, 137, outcome.stderr)
            self.assertIsNone(self.survives(path, allowed, f"ended before call {n}"))
            path, outcome, made = run(CUT_FAIL=n)
            self.assertIn(outcome.returncode, (0, 1))
            if outcome.returncode == 1:
                self.assertRegex(outcome.stderr, r"^(update: [^\n]*\n)+\Z")
            self.assertIsNone(self.survives(path, allowed, f"call {n} failed"))
            TRIED["ends"] += 1
            TRIED["failures"] += 1
        self.assertIsNone(self.fault(begin, calls, source, allowed, after, ends))
        for n in range(1, sum(kind == "fsync" for kind, *_ in calls) + 1) if mutates else ():
            path, outcome, mutated = run(CUT_DROP=n)
            self.assertEqual((outcome.returncode, len(mutated)), (0, len(calls) - 1))
            self.assertIsNotNone(self.fault(begin, mutated, source, allowed, after, ends), f"fsync {n} of {words} is for nothing")
            TRIED["mutations"] += 1

    def fault(self, begin, calls, source, allowed, after, ends):
        """What goes wrong in some state that a cut leaves; the end comes first."""
        seen = set()
        for count in range(len(calls), -1, -1):
            is_ended = count == len(calls)
            TRIED["cuts"] += 1
            for state in states(begin, calls[:count], source):
                key = frozenset((name, content.key) for name, content in state.items())
                if key in seen:
                    continue
                seen.add(key)
                TRIED["states"] += 1
                description = f"cut after call {count} of {len(calls)}, which left {sorted((n, c.kind, c.count) for n, c in state.items())}"
                if is_ended and ends and ends not in state:
                    return f"{description}: there is no {ends}"
                found = self.survives(self.directory(state), after if is_ended else allowed, description)
                if found:
                    return found
        return None

    # ---- Power cuts ----

    def test_update_of_a_confirmed_model(self):
        begin = {"6.stlm": Content(OTHER), "7.stlm": Content(OLD)}
        self.cut_everywhere(begin, [NEW, "DIRECTORY"], NEW, {OLD, NEW}, {NEW})

    def test_update_of_a_model_on_trial_with_leftovers(self):
        begin = {"7.stlm": Content(OLD), "8.trial-1.stlm": Content(OTHER), "new.tmp": Content(NEW, kind="half")}
        self.cut_everywhere(begin, [NEW, "DIRECTORY"], NEW, {OTHER, NEW}, {NEW})

    def test_update_where_the_newest_is_rotten(self):
        begin = {"6.stlm": Content(OLD), "7.stlm": Content(OTHER, kind="rotten")}
        self.cut_everywhere(begin, [NEW, "DIRECTORY"], NEW, {OLD, NEW}, {NEW})

    def test_first_model(self):
        self.cut_everywhere({}, [NEW, "DIRECTORY"], NEW, {None, NEW}, {NEW})

    def test_start_of_a_model_on_trial(self):
        begin = {"7.stlm": Content(OLD), "8.trial-0.stlm": Content(NEW)}
        self.cut_everywhere(begin, ["--start", "DIRECTORY", *SERVE], NEW, {NEW}, {NEW}, ends="8.trial-1.stlm")

    def test_start_after_a_model_that_fails(self):
        # That its start is counted matters to a model that is used.
        begin = {"7.stlm": Content(OLD), "8.trial-0.stlm": Content(NEW, kind="rotten")}
        self.cut_everywhere(begin, ["--start", "DIRECTORY", *SERVE], NEW, {OLD}, {OLD}, mutates=False)

    def test_confirmation(self):
        begin = {"7.stlm": Content(OLD), "8.trial-2.stlm": Content(NEW)}
        self.cut_everywhere(begin, ["--confirm", "DIRECTORY"], NEW, {NEW}, {NEW}, ends="8.stlm")

    # ---- The rest of what it promises ----

    def test_a_model_that_is_never_confirmed_is_given_up(self):
        path = self.directory({"7.stlm": Content(OLD)})
        self.assertEqual(update(NEW, path).returncode, 0)
        for _ in range(3):
            self.assertEqual(self.start(path), (NEW, ""))
        model, errors = self.start(path)
        self.assertEqual(model, OLD)
        self.assertIn("model 8 was started 3 times and never confirmed", errors)
        self.assertIn("model 7 is used in place of model 8", errors)
        self.assertEqual(self.start(path), (OLD, ""))
        self.assertEqual(os.listdir(path), ["7.stlm"])

    def test_the_last_model_is_never_given_up(self):
        path = self.directory({})
        self.assertEqual(update(NEW, path).returncode, 0)
        for _ in range(5):
            self.assertEqual(self.start(path)[0], NEW)
        self.assertEqual(os.listdir(path), ["1.trial-3.stlm"])

    def test_what_does_not_work_is_never_installed(self):
        path = self.directory({"7.stlm": Content(OLD)})
        for kind in "empty", "half", "zeros", "torn", "rotten":
            outcome = update(Content(NEW, kind=kind).path(), path)
            self.assertEqual(outcome.returncode, 1)
            self.assertIn("is refused; nothing is changed", outcome.stderr)
            self.assertEqual(os.listdir(path), ["7.stlm"])

    def test_confirmed_models_that_rot_are_said_and_kept(self):
        path = self.directory({"6.stlm": Content(OLD), "7.stlm": Content(NEW, kind="rotten")})
        model, errors = self.start(path)
        self.assertEqual(model, OLD)
        self.assertIn("7.stlm: region", errors)
        self.assertEqual(sorted(os.listdir(path)), ["6.stlm", "7.stlm"])

    def test_what_the_medium_does_not_give_ends_no_service(self):
        for name, rots, left in ("7.stlm", "7.stlm", ["6.stlm", "7.stlm"]), ("7.trial-0.stlm", "7.trial-1.stlm", ["6.stlm"]):
            path = self.directory({"6.stlm": Content(OLD), name: Content(NEW)})
            outcome = cut(["--start", path, *SERVE], CUT_ROTS=rots)
            self.assertEqual(outcome.returncode, 0, outcome.stderr)
            self.assertIn(f"{rots}: its self-check was ended by a signal", outcome.stderr)
            self.assertTrue(outcome.stdout.endswith(self.text(OLD)))
            self.assertEqual(sorted(os.listdir(path)), left)

    def test_a_second_update_is_refused_and_a_start_is_not(self):
        path = self.directory({"7.stlm": Content(OLD)})
        lock = os.open(path, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = update(NEW, path)
        self.assertEqual(outcome.returncode, 1)
        self.assertRegex(outcome.stderr, r"^update: another update of .* is under way; wait until it ends\n\Z")
        self.assertEqual(self.start(path)[0], OLD)
        os.close(lock)
        self.assertEqual(update(NEW, path).returncode, 0)

    def test_other_files_are_left_alone(self):
        path = self.directory({"7.stlm": Content(OLD)})
        others = ["notes", "07.stlm", "8.stlm.bak", "8.trial-x.stlm", "9999999999.stlm", "-1.stlm", "model.stlm"]
        for name in others:
            open(os.path.join(path, name), "w").close()
        self.assertEqual(update(NEW, path).returncode, 0)
        self.assertEqual(sorted(os.listdir(path)), sorted(others + ["7.stlm", "8.trial-0.stlm"]))

    def test_wrong_use(self):
        for words in [], ["x"], ["--start", "x", "echo"], ["--start", "x", "echo", "y"], ["--stop", "x"], ["a", "b", "c"]:
            self.assertEqual(update(*words).returncode, 2)
        for words in [NEW, "/nowhere"], ["/nowhere.stlm", self.folder.name], ["--start", self.folder.name, "echo", "{}"], ["--confirm", "/nowhere"]:
            outcome = update(*words)
            self.assertEqual(outcome.returncode, 1)
            self.assertRegex(outcome.stderr, r"^update: [^\n]*\n\Z")


def tearDownModule():
    # Nothing was written in place.
    for name in os.listdir(POOL.name):
        assert os.stat(os.path.join(POOL.name, name)).st_mode & 0o777 == 0o444 and os.path.getsize(os.path.join(POOL.name, name)) >= 0
    print(f"tried: {TRIED['ends']} ends of the process, {TRIED['failures']} calls that fail, {TRIED['states']} states that {TRIED['cuts']} cuts "
          f"of the power leave, {TRIED['mutations']} fsyncs left out", file=sys.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
