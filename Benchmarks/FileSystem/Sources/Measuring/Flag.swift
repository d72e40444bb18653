import Synchronization

/// Something that happened on one thread and is asked for on another.
public final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    /// Not raised.
    public init() {}

    /// It happened.
    public func raise() { value.store(true, ordering: .releasing) }

    /// Whether it did.
    public var isRaised: Bool { value.load(ordering: .acquiring) }
}
