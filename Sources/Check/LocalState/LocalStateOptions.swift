/// Where the state is that mounts of the checked prefix keep on this machine.
public struct LocalStateOptions: Sendable {
    /// The directories of their journals, as far as they are there.
    public var directories: [String] = []
    /// The directory for data that finds no room in memory; nil to leave it alone.
    public var spillDirectory: String?
    /// The most bytes that a mount keeps in a journal.
    public var maximumBytes: Int64 = .max
    /// How long uploads that an earlier mount has left may take in all.
    public var drainTimeout = Duration.seconds(3600)

    /// Nothing on this machine.
    public init() {}
}
