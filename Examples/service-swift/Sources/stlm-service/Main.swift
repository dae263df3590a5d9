import Glibc
import STLM

/// A service that answers prompts on a Unix socket: README.md.
@main struct Main {
    static func main() {
        let words = CommandLine.arguments
        let sessionCount = words.count > 3 ? Int(words[3]) : 2, context = words.count > 4 ? Int(words[4]) : 0
        guard (3...5).contains(words.count), let sessionCount, (1...Service.clientLimit).contains(sessionCount), let context, context >= 0 else {
            complain("usage: stlm-service MODEL SOCKET [SESSIONS [CONTEXT]]; 1 to 64 sessions, 2 where nothing is said", 2)
        }
        let stopping = stopSignals()
        do throws(STLMError) {
            let model = try MappedModel(words[1])
            var service = try Service(model, sessionCount: sessionCount, context: context == 0 ? nil : context, stopping: stopping)
            var supervisor = Supervisor()
            let given = Supervisor.listener(), listener = given ?? listen(at: words[2])
            supervisor.ready()
            say("service: \(sessionCount) sessions, \(service.byteCount) bytes of memory besides the model file")
            service.serve(listener, &supervisor)
            supervisor.stopping()
            service.sayGoodbye()
            close(listener)
            if given == nil { unlink(words[2]) }
        } catch {
            complain("service: \(words[1]): \(error)", 1)
        }
    }

    /// A descriptor that can be read once SIGTERM or SIGINT came.
    private static func stopSignals() -> Int32 {
        var ends: (read: Int32, write: Int32) = (0, 0)
        let status = withUnsafeMutableBytes(of: &ends) { pipe($0.assumingMemoryBound(to: Int32.self).baseAddress!) }
        if status != 0 { complain("service: there is no pipe for signals (\(String(cString: strerror(errno))))", 1) }
        for end in [ends.read, ends.write] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        stopDescriptor = ends.write
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            let number = errno
            _ = write(stopDescriptor, "", 1)
            errno = number
        }
        // Whoever started the program may have left them blocked.
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGTERM, SIGINT] {
            sigaction(signal, &action, nil)
            sigaddset(&signals, signal)
        }
        sigprocmask(SIG_UNBLOCK, &signals, nil)
        return ends.read
    }

    private static func listen(at path: String) -> Int32 {
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        if bytes.count >= MemoryLayout.size(ofValue: address.sun_path) { complain("service: \(path): the path of the socket is too long", 1) }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        unlink(path)
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 }
        }
        if listener < 0 || !isBound || Glibc.listen(listener, 64) != 0 { complain("service: \(path): \(String(cString: strerror(errno)))", 1) }
        return listener
    }
}

/// Where the handler of signals writes: set before it is there.
nonisolated(unsafe) private var stopDescriptor: Int32 = -1

private func say(_ sentence: String) { _ = write(2, sentence + "\n", sentence.utf8.count + 1) }

private func complain(_ sentence: String, _ status: Int32) -> Never {
    say(sentence)
    exit(status)
}
