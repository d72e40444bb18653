/// What the mount's process tells the `pail mount` that started it, over a pipe: one line, once.
enum StatusMessage: Sendable, Equatable {
    /// The mount answers.
    case ready
    /// It failed: the status and the line to end with.
    case failed(CommandError)

    /// `ready\n`, or `failed STATUS MESSAGE\n`.
    var encoded: [UInt8] {
        switch self {
        case .ready: Array("ready\n".utf8)
        case .failed(let error): Array("failed \(error.status.rawValue) \(Printable.line(error.message))\n".utf8)
        }
    }

    /// Reads what came over the pipe until its end; nil where that is no whole message, because the process ended before.
    init?(decoding bytes: [UInt8]) {
        guard bytes.last == UInt8(ascii: "\n") else { return nil }
        let text = String(decoding: bytes.dropLast(), as: UTF8.self)
        if text == "ready" {
            self = .ready
            return
        }
        let parts = text.split(separator: " ", maxSplits: 2)
        guard parts.count == 3, parts[0] == "failed", let number = Int32(parts[1]),
            let status = ExitStatus(rawValue: number), status != .success
        else { return nil }
        self = .failed(CommandError(status, String(parts[2])))
    }
}
