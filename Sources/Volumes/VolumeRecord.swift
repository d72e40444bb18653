/// What is kept of a volume on this machine's disk. It holds no secret: ``VolumeDriver`` is handed checked options only.
public struct VolumeRecord: Codable, Sendable, Equatable {
    /// The name: see ``VolumeName``.
    public var name: String
    /// The options of its creation, as they were given.
    public var options: [String: String]
    /// When it was created, in the form of RFC 3339.
    public var createdAt: String
    /// Who has it mounted: the IDs of calls of Mount that no call of Unmount has followed.
    public var references: Set<String> = []
    /// The start of the system in which the references were made (`/proc/sys/kernel/random/boot_id`). After another one nobody
    /// has it mounted, whatever the references say.
    public var bootID: String

    /// A volume that nobody has mounted.
    public init(name: VolumeName, options: [String: String], createdAt: String, bootID: String) {
        self.name = name.description
        self.options = options
        self.createdAt = createdAt
        self.bootID = bootID
    }
}
