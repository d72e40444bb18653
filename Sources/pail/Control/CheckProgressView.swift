import Check
import Glibc
import Synchronization

/// The progress of a check: a bar on a terminal, or the lines that fsck(8)'s `-C` asks for.
final class CheckProgressView: Sendable {
    private struct State: ~Copyable {
        var width = 0
        var shown: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let descriptor: Int32?
    private let source: String
    private let isTerminal: Bool

    /// - Parameter descriptor: takes lines of numbers; nil for a bar where standard error is a terminal.
    init(descriptor: Int32?, source: String, isQuiet: Bool) {
        // fsck(8) says -C0 for a bar.
        self.descriptor = descriptor == 0 ? nil : descriptor
        self.source = source
        isTerminal = !isQuiet && isatty(2) == 1
    }

    /// So many of so many are done.
    func show(_ phase: CheckPhase, _ done: Int, of total: Int?) {
        if let descriptor {
            // As e2fsck(8) writes it: pass, current, most, device.
            Self.write("\(phase.rawValue) \(done) \(total ?? 0) \(source)\n", to: descriptor)
            return
        }
        guard isTerminal else { return }
        state.withLock { state in
            let now = ContinuousClock.now
            if let shown = state.shown, now - shown < .milliseconds(100), done != total { return }
            state.shown = now
            var text = "\(phase.title): \(done)"
            if let total, total > 0 {
                let filled = 24 * min(done, total) / total
                let bar = String(repeating: "=", count: filled) + String(repeating: " ", count: 24 - filled)
                text = "[\(bar)] \(phase.title): \(done) of \(total)"
            }
            Self.write(
                "\r" + text + String(repeating: " ", count: max(0, state.width - text.utf8.count)), to: 2)
            state.width = text.utf8.count
        }
    }

    /// Takes the bar away.
    func clear() {
        guard isTerminal else { return }
        state.withLock { state in
            guard state.width > 0 else { return }
            Self.write("\r" + String(repeating: " ", count: state.width) + "\r", to: 2)
            state.width = 0
        }
    }

    private static func write(_ text: String, to descriptor: Int32) {
        _ = text.withCString { Glibc.write(descriptor, $0, strlen($0)) }
    }
}
