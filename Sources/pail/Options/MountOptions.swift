import FileSystem
import Logging
import S3

/// What the options of `pail mount` set, with their defaults. ``MountOptionTable`` declares how each is written.
struct MountOptions: Sendable, Equatable {
    /// The checksum sent with uploads.
    enum Checksum: String, Sendable, CaseIterable {
        case crc32c, md5, none
    }

    /// What becomes of an object's access control list when it is copied.
    enum ObjectACLs: String, Sendable, CaseIterable {
        case keep, ignore
    }

    /// How a line of the log looks.
    enum LogFormat: String, Sendable, CaseIterable {
        case text, json
    }

    /// Whether the store is asked what it honours.
    enum Probe: String, Sendable, CaseIterable {
        case auto, never
    }

    /// What a request does when the store is gone.
    enum Outage: String, Sendable, CaseIterable {
        case fail, wait
    }

    /// What becomes of a change whose object somebody else has changed meanwhile.
    enum Conflict: String, Sendable, CaseIterable {
        case keep, overwrite
    }

    /// What fsync(2) waits for in write-back mode.
    enum Synchronization: String, Sendable, CaseIterable {
        case journal, store
    }

    /// Where the attributes of files come from.
    enum Attributes: String, Sendable, CaseIterable {
        case stored, listing
    }

    /// Whether something is done.
    enum Switch: String, Sendable, CaseIterable {
        case on, off
    }

    // The store.
    var endpointURL: String?
    var region: String?
    var addressing: AddressingChoice?
    var caBundle: String?
    var verifiesTLS = true
    var listVersion: Int64 = 2
    var requesterPays = false
    var storageClass: String?
    var objectACLs = ObjectACLs.keep
    var probe = Probe.auto

    // Credentials.
    var profile: String?
    var passwdFile: String?
    var isAnonymous = false
    var instanceMetadata = InstanceMetadata.Version.v2

    // Transfers.
    var maxConnections: Int64 = 128
    var connectTimeout: Duration = .seconds(10)
    var requestDeadline: Duration = .seconds(60)
    var onOutage = Outage.fail
    var onConflict = Conflict.keep
    var partSize: Int64 = 8 << 20
    var checksum = Checksum.crc32c
    var signsPayload = false

    // The file system.
    /// Nil for ``MemoryDefault``.
    var memory: Int64?
    var maximumInodes: Int64 = 0
    var minimumFreeDisk: Int64 = 1 << 30
    /// Bytes of what was read that stay on the disk; 0 for none.
    var diskCache: Int64 = 0
    /// Nil for as much as the disk has.
    var spillLimit: Int64?
    var attributeTimeout: Duration = .seconds(1)
    var attributes = Attributes.stored
    /// Bytes of attributes that stay on the disk; 0 for none.
    var attributeCache: Int64 = 128 << 20
    var readAheadFiles = Switch.on
    var hedgedReads = Switch.on
    var lateClaims = Switch.on
    var walkAhead = Switch.on
    var listStreams = Int64(FileSystemOptions.mostListStreams)
    var stateDirectory: String?
    var isReadOnly = false
    var isWriteBack = false
    var fsync = Synchronization.journal
    var journalSize: Int64 = 16 << 30
    var uid: Int64?
    var gid: Int64?
    var umask: Int64?
    var fileMode: Int64?
    var directoryMode: Int64?

    // The process.
    var isForeground = false
    var drainTimeout: Duration = .seconds(60)
    var threads: Int64?
    var logLevel = Logger.Level.notice
    var logFile: String?
    var logFormat = LogFormat.text
    /// As ``MetricsAddress`` reads it.
    var metrics: String?
    var metricsFile: String?
    var requestLog: String?

    // The kernel's mount.
    var allowsOther = false
    var allowsRoot = false
    var allowsNonempty = false
    var fsName: String?
    var subtype = "pail"
    /// Flags of mount(8) that the kernel keeps to itself (`nosuid`, `noatime` …), in the order given.
    var kernelFlags: [String] = []

    /// What only s3fs's command line sets.
    var fine = FineSettings()
}
