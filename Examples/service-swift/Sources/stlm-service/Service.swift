import Glibc
import STLM

/// Clients that share some generators of one model. One thread, all memory taken at the start.
struct Service: ~Copyable {
    static let clientLimit = 64

    private let clients: UnsafeMutableBufferPointer<Client>
    private let generators: UnsafeMutableBufferPointer<Generator>
    /// Which of them nobody has.
    private let free: UnsafeMutableBufferPointer<Int>
    private var freeCount = 0
    private let sampling: SamplingSettings
    /// Can be read once the service is to stop.
    private let stopping: Int32
    /// Besides the model file.
    let byteCount: Int

    init(_ model: borrowing MappedModel, sessionCount: Int, context: Int?, stopping: Int32) throws(STLMError) {
        let options = GeneratorOptions(contextTokenCount: context, slides: true)
        let clientByteCount = MemoryLayout<Client>.stride + Client.inputCapacity + Client.outputCapacity
        let byteCount = sessionCount * (try Generator.byteCount(model, options)) + Self.clientLimit * clientByteCount
        let generators = UnsafeMutableBufferPointer<Generator>.allocate(capacity: sessionCount)
        for k in 0..<sessionCount { (generators.baseAddress! + k).initialize(to: try Generator(model, options)) }
        (self.byteCount, self.generators, self.stopping) = (byteCount, generators, stopping)
        free = .allocate(capacity: sessionCount)
        for k in 0..<sessionCount { free[k] = k }
        freeCount = sessionCount
        clients = .allocate(capacity: Self.clientLimit)
        for k in clients.indices { clients.initializeElement(at: k, to: Client()) }
        sampling = model.sampling
    }

    // MARK: Requests

    private mutating func giveBack(_ k: Int) {
        guard let index = clients[k].generator else { return }
        generators[index].reset()
        free[freeCount] = index
        freeCount += 1
        clients[k].generator = nil
    }

    private mutating func endRequest(_ k: Int) {
        giveBack(k)
        clients[k].endRequest()
    }

    private mutating func begin(_ k: Int) {
        freeCount -= 1
        let index = free[freeCount], request = clients[k].request
        clients[k].generator = index
        var sampling = sampling
        sampling.temperature = request.temperature ?? sampling.temperature
        do throws(STLMError) {
            try generators[index].removeStops()
            generators[index].setSeed(request.seed)
            generators[index].tokenLimit = Int(request.maxTokens)
            try generators[index].setSampling(sampling)
            if let stop = request.stop { try generators[index].addStop(stop) }
            try generators[index].begin(prompt: request.prompt!)
        } catch {
            refuse(k, error)
        }
    }

    private mutating func refuse(_ k: Int, _ error: STLMError) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 512) {
            let count = error.write(into: $0)
            clients[k].putLine("error", UnsafeBufferPointer(rebasing: $0[..<count]))
        }
        endRequest(k)
    }

    /// One step of a client's answer.
    private mutating func work(_ k: Int) {
        let index = clients[k].generator!
        do throws(STLMError) {
            let step = try generators[index].step()
            let text = generators[index].textBytes
            if !text.isEmpty { clients[k].putLine("text", text) }
            if case .ended(let ending) = step {
                let name = ending.name
                clients[k].putLine(
                    "done", UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), tokens: generators[index].drawnCount)
                endRequest(k)
            }
        } catch {
            refuse(k, error)
        }
    }

    // MARK: Clients

    private mutating func leave(_ k: Int) {
        giveBack(k)
        close(clients[k].descriptor)
        clients[k].descriptor = -1
    }

    private func accept(_ listener: Int32) {
        let descriptor = Glibc.accept(listener, nil, nil)
        if descriptor < 0 { return }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        if let k = clients.firstIndex(where: { !$0.isConnected }) { return clients[k].connect(descriptor) }
        let full: StaticString = "{\"id\":null,\"error\":\"the service has as many clients as it can have; try again later\"}\n"
        _ = send(descriptor, full.utf8Start, full.utf8CodeUnitCount, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        close(descriptor)
    }

    /// Until it is to stop.
    mutating func serve(_ listener: Int32, _ supervisor: inout Supervisor) {
        let polls = UnsafeMutableBufferPointer<pollfd>.allocate(capacity: Self.clientLimit + 2)
        defer { polls.deallocate() }
        var next = 0
        while true {
            var isBusy = false
            for k in clients.indices {
                polls[k] = pollfd(fd: clients[k].descriptor, events: clients[k].events, revents: 0)
                if clients[k].isConnected, clients[k].canWork || clients[k].waitsForGenerator && freeCount > 0 { isBusy = true }
            }
            polls[Self.clientLimit] = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            polls[Self.clientLimit + 1] = pollfd(fd: stopping, events: Int16(POLLIN), revents: 0)
            if poll(polls.baseAddress, nfds_t(polls.count), isBusy ? 0 : supervisor.wait(most: 1_000)) > 0 {
                if polls[Self.clientLimit + 1].revents != 0 { return }
                if polls[Self.clientLimit].revents != 0 { accept(listener) }
                for k in clients.indices where polls[k].fd >= 0 && clients[k].descriptor == polls[k].fd {
                    let revents = Int32(polls[k].revents)
                    if revents & POLLIN != 0 {
                        clients[k].receive()
                    } else if revents & (POLLERR | POLLHUP | POLLNVAL) != 0 {
                        clients[k].reading = .broken
                    }
                }
            }
            supervisor.alive()
            let now = milliseconds()
            for k in clients.indices where clients[k].isConnected {
                clients[k].takeLine()
                if clients[k].waitsForGenerator, freeCount > 0 { begin(k) }
                if clients[k].hasOutput { clients[k].flush() }
                if clients[k].isDone(now) { leave(k) }
            }
            // One step for one client, then the next one's turn.
            for offset in 0..<Self.clientLimit {
                let k = (next + offset) % Self.clientLimit
                if !clients[k].isConnected || !clients[k].canWork { continue }
                work(k)
                clients[k].flush()
                next = (k + 1) % Self.clientLimit
                break
            }
        }
    }

    /// Tells every client and gives what waits one second to go out.
    mutating func sayGoodbye() {
        let end = milliseconds() + 1_000
        for k in clients.indices where clients[k].isConnected {
            if !clients[k].isActive { clients[k].forgetRequest() }
            clients[k].putError("the service stops; ask again later")
        }
        let polls = UnsafeMutableBufferPointer<pollfd>.allocate(capacity: Self.clientLimit)
        defer { polls.deallocate() }
        while true {
            var isWaiting = false
            for k in clients.indices {
                if clients[k].isConnected { clients[k].flush() }
                let waits = clients[k].isConnected && clients[k].hasOutput && clients[k].reading != .broken
                polls[k] = pollfd(fd: waits ? clients[k].descriptor : -1, events: Int16(POLLOUT), revents: 0)
                if waits { isWaiting = true }
            }
            let now = milliseconds()
            if !isWaiting || now >= end || poll(polls.baseAddress, nfds_t(polls.count), Int32(end - now)) == 0 { break }
        }
        for k in clients.indices where clients[k].isConnected { leave(k) }
    }

    deinit {
        generators.deinitialize().deallocate()
        free.deallocate()
        clients.deinitialize().deallocate()
    }
}

extension Generator.Ending {
    /// As the protocol has it.
    var name: StaticString {
        switch self {
        case .endToken: "end"
        case .stopString: "stop"
        case .grammar: "grammar"
        case .tokenLimit: "tokens"
        case .byteLimit: "bytes"
        case .contextFull: "context"
        case .scored: "scored"
        }
    }
}
