/// Which requests are under way, and when a server that shall stop may do so. Pure: no I/O, no lock.
///
/// A request is *with its handler* first, and then *on its way* until its answer was taken or its client has gone. A server must not stop before
/// all handlers have ended (they would answer connections that are no more); it gives answers that are on their way some time.
struct ServingState: Sendable {
    private(set) var handlers = 0
    private(set) var replies = 0
    private(set) var isStopping = false
    /// Whether answers have been on their way for long enough.
    var isOverdue = false

    /// A request is read. False where it is too late for it.
    mutating func begin() -> Bool {
        guard !isStopping else { return false }
        handlers += 1
        return true
    }

    /// A handler has given its answer.
    mutating func answered() {
        handlers -= 1
        replies += 1
    }

    /// An answer has been sent, or its client has gone.
    mutating func completed() { replies -= 1 }

    /// No request is taken from here on. False where that was so already.
    mutating func stop() -> Bool {
        defer { isStopping = true }
        return !isStopping
    }

    /// Whether a server that stops may close its connections.
    var mayEnd: Bool { isStopping && handlers == 0 && (replies <= 0 || isOverdue) }
}
