import Synchronization

/// An open file as its ``ObjectReader`` sees it: one for each handle, holding the handle's ``ReadWindow``.
final class ReadStream: Sendable {
    private let window: Mutex<ReadWindow>

    /// A stream that has read nothing.
    init(limits: ReadingLimits = ReadingLimits()) { window = Mutex(ReadWindow(limits: limits)) }

    /// See ``ReadWindow/read(_:size:)``.
    func read(_ range: Range<Int64>, size: Int64) -> ReadWindow.Plan { window.withLock { $0.read(range, size: size) } }

    /// See ``ReadWindow/prefetch(size:)``.
    func prefetch(size: Int64) -> ReadWindow.Plan? { window.withLock { $0.prefetch(size: size) } }

    /// See ``ReadWindow/granted(upTo:)``.
    func granted(upTo offset: Int64) { window.withLock { $0.granted(upTo: offset) } }
}
