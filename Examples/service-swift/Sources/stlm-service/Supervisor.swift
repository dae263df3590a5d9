import Glibc

/// What a supervisor such as systemd is told and gives: sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3), without a library.
struct Supervisor {
    /// Milliseconds between signs of life; 0 where no watchdog is wanted.
    private var interval: UInt64 = 0
    private var last = milliseconds()

    /// The socket that is handed over, if any.
    static func listener() -> Int32? {
        guard let count = getenv("LISTEN_FDS"), isOwn("LISTEN_PID"), strtol(count, nil, 10) >= 1 else { return nil }
        _ = fcntl(3, F_SETFD, FD_CLOEXEC)
        _ = fcntl(3, F_SETFL, fcntl(3, F_GETFL) | O_NONBLOCK)
        return 3
    }

    mutating func ready() {
        if let microseconds = getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID") == nil || Self.isOwn("WATCHDOG_PID") {
            // Half of the time, as the manual advises.
            interval = max(1, UInt64(strtoull(microseconds, nil, 10)) / 2_000)
        }
        last = milliseconds()
        notify("READY=1")
    }

    func stopping() { notify("STOPPING=1") }

    /// Tells that the program is alive, as often as is asked for.
    mutating func alive() {
        if interval == 0 || milliseconds() - last < interval { return }
        last = milliseconds()
        notify("WATCHDOG=1")
    }

    /// Milliseconds to wait at most, so that the next message is in time.
    func wait(most: UInt64) -> Int32 {
        if interval == 0 { return Int32(most) }
        let passed = milliseconds() - last
        return Int32(min(most, passed >= interval ? 0 : interval - passed))
    }

    private static func isOwn(_ name: String) -> Bool { getenv(name).map { strtol($0, nil, 10) == Int(getpid()) } ?? false }

    private func notify(_ message: StaticString) {
        guard let path = getenv("NOTIFY_SOCKET") else { return }
        var address = sockaddr_un()
        let count = strlen(path), isAbstract = path.pointee == CChar(UInt8(ascii: "@"))
        guard count >= 2, count < MemoryLayout.size(ofValue: address.sun_path), isAbstract || path.pointee == CChar(UInt8(ascii: "/")) else { return }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: path, count: count))
            if isAbstract { $0[0] = 0 }
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if descriptor < 0 { return }
        let size = socklen_t(MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + count)
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, message.utf8Start, message.utf8CodeUnitCount, Int32(MSG_NOSIGNAL | MSG_DONTWAIT), $0, size)
            }
        }
        close(descriptor)
    }
}

func milliseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
}
