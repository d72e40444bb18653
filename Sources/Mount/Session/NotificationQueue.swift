import CFuse
import DequeModule
import FileSystem
import Glibc
import Logging
import Synchronization
import SystemPackage

/// Tells the kernel, unasked, that something changed.
///
/// The kernel takes locks for it (the directory's for an entry, pages' for an inode) that a request waiting for our answer
/// may hold. So the caller, who may be in the middle of such an answer, only queues, and a thread of its own speaks.
/// A message equal to one that waits already is dropped. Should ever more than `maximum` wait, the kernel is stuck in one
/// of them; new ones are dropped with a log line, as cached names and attributes expire on their own.
final class NotificationQueue: KernelNotifier {
    private enum Message: Hashable, Sendable {
        case inode(NodeID, offset: Int64, length: Int64)
        case entry(parent: NodeID, name: FileName)
    }

    private struct State {
        var waiting: Deque<Message> = []
        var known: Set<Message> = []
        var isClosed = false
        var hasOverflowed = false
    }

    private static let maximum = 65_536

    private let state = Mutex(State())
    private let wakeUp: WakeUp
    private let gate: ReplyGate
    private let logger: Logger
    private let thread = Mutex<PosixThread?>(nil)
    private let session = Mutex<Session?>(nil)

    init(gate: ReplyGate, logger: Logger) throws(Errno) {
        self.gate = gate
        self.logger = logger
        wakeUp = try WakeUp()
    }

    func invalidateInode(_ node: NodeID, offset: Int64, length: Int64) {
        enqueue(.inode(node, offset: offset, length: length))
    }

    func invalidateEntry(parent: NodeID, name: FileName) { enqueue(.entry(parent: parent, name: name)) }

    /// One write(2) to /dev/fuse. For attributes alone the kernel takes a spin lock (`fuse_reverse_inval_inode` with a negative offset), so it may be
    /// told in the middle of a request.
    func expireAttributes(of node: NodeID) {
        guard let session = session.withLock({ $0 }) else { return }
        deliver(.inode(node, offset: -1, length: 0), to: session)
    }

    private func enqueue(_ message: Message) {
        enum Outcome { case queued, dropped, overflowed }
        let outcome = state.withLock { state -> Outcome in
            guard !state.isClosed, !state.known.contains(message) else { return .dropped }
            guard state.waiting.count < Self.maximum else {
                defer { state.hasOverflowed = true }
                return state.hasOverflowed ? .dropped : .overflowed
            }
            state.hasOverflowed = false
            state.known.insert(message)
            state.waiting.append(message)
            return .queued
        }
        switch outcome {
        case .queued: wakeUp.signal()
        case .dropped: break
        case .overflowed: logger.error("The kernel does not take notifications; new ones are dropped")
        }
    }

    /// Starts the thread that speaks to `session`.
    func start(_ session: Session) throws(Errno) {
        self.session.withLock { $0 = session }
        let thread = try PosixThread(name: "pail-notify") { [self] in
            while true {
                wakeUp.wait()
                while let message = next() { deliver(message, to: session) }
                if state.withLock({ $0.isClosed }) { return }
            }
        }
        self.thread.withLock { $0 = thread }
    }

    private func next() -> Message? {
        state.withLock { state in
            guard !state.isClosed, let message = state.waiting.popFirst() else { return nil }
            // Out of the set before it is told: a change from here on needs a message of its own.
            state.known.remove(message)
            return message
        }
    }

    private func deliver(_ message: Message, to session: Session) {
        let result = gate.pass { () -> Int32 in
            switch message {
            case .inode(let node, let offset, let length):
                return fuse_lowlevel_notify_inval_inode(session.raw, node.rawValue, off_t(offset), off_t(length))
            case .entry(let parent, let name):
                return name.string.withCString {
                    fuse_lowlevel_notify_inval_entry(session.raw, parent.rawValue, $0, name.string.utf8.count)
                }
            }
        }
        // ENOENT: the kernel did not know it any more. ENOTEMPTY and EBUSY: a directory in use, whose entry is checked at its
        // next use anyway. ENOTCONN and ENODEV: the mount is ending.
        let tolerated = [0, -ENOENT, -ENOTDIR, -ENOTEMPTY, -EBUSY, -ENOTCONN, -ENODEV, -EBADF]
        guard let result, !tolerated.contains(result) else { return }
        logger.warning("The kernel refused a notification", metadata: ["errno": "\(Errno(rawValue: -result))"])
    }

    /// Drops what waits, and ends the thread. FUSE threads must still be at work, as the message under way may wait for an
    /// answer of theirs. False where the thread did not end in `nanoseconds`: the session must then not be freed.
    func close(within nanoseconds: Int64) -> Bool {
        state.withLock { state in
            state.isClosed = true
            state.waiting.removeAll()
            state.known.removeAll()
        }
        session.withLock { $0 = nil }
        wakeUp.signal()
        guard let thread = thread.withLock({ $0.take() }) else { return true }
        return thread.join(within: nanoseconds)
    }
}
