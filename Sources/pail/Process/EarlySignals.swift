import Glibc

/// SIGINT and SIGTERM before the mount is there to take them.
///
/// A serving process blocks both from its first line on, so that its mount reads them as data (see `SignalSource`). Until then
/// they wait as pending, and are looked for here every tenth of a second. They stay pending.
enum EarlySignals {
    /// Whether one of them waits.
    static var arePending: Bool {
        var pending = sigset_t()
        sigemptyset(&pending)
        sigpending(&pending)
        return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1
    }

    /// The value of `work`, or nil as soon as a signal comes; `work` is cancelled then.
    static func race<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value? {
        await withTaskGroup(of: Value?.self) { group in
            group.addTask { await work() }
            group.addTask {
                while !Task.isCancelled {
                    if arePending { return nil }
                    try? await Task.sleep(for: .milliseconds(100))
                }
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }
}
