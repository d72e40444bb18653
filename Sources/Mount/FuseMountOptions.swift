/// How a file system is mounted: see mount.fuse3(8) for the options that the kernel and libfuse know.
public struct FuseMountOptions: Sendable {
    /// The source that `mount` and `df` show, such as `s3://bucket/prefix`.
    public var source: String
    /// The part of the type after `fuse.`.
    public var subtype: String
    /// Users other than the mounting one may enter (`allow_other`; for non-root only with `user_allow_other` in
    /// /etc/fuse.conf).
    public var allowOther: Bool
    /// Root may enter besides the mounting user (`allow_root`).
    public var allowRoot: Bool
    /// The kernel refuses all changes (`ro`).
    public var readOnly: Bool
    /// The kernel checks permission bits and owners itself (`default_permissions`).
    public var defaultPermissions: Bool
    /// Other `-o` options as they stand: `nosuid`, `noexec`, `noatime`, …
    public var extraOptions: [String]
    /// Mounts over a directory that has entries.
    public var allowsNonEmpty: Bool
    /// Threads that take requests from the kernel. They never wait for the network, so there is no need for many; each
    /// keeps a receive buffer of ``maximumWrite`` once a large write came through it. 1...64.
    public var threads: Int
    /// The largest WRITE and READ that the kernel may send, in bytes: 4 KiB to 1 MiB (256 pages, fs.fuse.max_pages_limit). A write that must
    /// wait is held once more meanwhile.
    public var maximumWrite: Int
    /// Background requests (readahead, asynchronous direct I/O) that the kernel keeps going at once: 1...65535.
    public var maximumBackground: Int
    /// How far the kernel reads ahead of a sequential reader, in bytes. Over the kernel's default of 128 KiB only where
    /// this process may write to /sys/class/bdi.
    public var maximumReadahead: Int
    /// How long the end of the mount waits for data to be stored.
    public var drainTimeout: Duration
    /// Whether `run` ends the mount on SIGINT and SIGTERM. See ``SignalSource``.
    public var handlesSignals: Bool

    /// As many threads as processors, 2 to 8.
    public static var defaultThreads: Int { min(max(Processors.count, 2), 8) }

    /// Options of the given values.
    public init(
        source: String = "pail", subtype: String = "pail", allowOther: Bool = false, allowRoot: Bool = false,
        readOnly: Bool = false, defaultPermissions: Bool = true, extraOptions: [String] = [],
        allowsNonEmpty: Bool = false, threads: Int = FuseMountOptions.defaultThreads, maximumWrite: Int = 1 << 20,
        maximumBackground: Int = 128,
        maximumReadahead: Int = 16 << 20, drainTimeout: Duration = .seconds(60), handlesSignals: Bool = true
    ) {
        self.source = source
        self.subtype = subtype
        self.allowOther = allowOther
        self.allowRoot = allowRoot
        self.readOnly = readOnly
        self.defaultPermissions = defaultPermissions
        self.extraOptions = extraOptions
        self.allowsNonEmpty = allowsNonEmpty
        self.threads = threads
        self.maximumWrite = maximumWrite
        self.maximumBackground = maximumBackground
        self.maximumReadahead = maximumReadahead
        self.drainTimeout = drainTimeout
        self.handlesSignals = handlesSignals
    }

    /// The command line that `fuse_session_new` reads: program name and one `-o` per option. A comma or backslash in a
    /// value is escaped, as libfuse would take it for the end of the option.
    var arguments: [String] {
        var options = ["fsname=\(Self.escaped(source))", "subtype=\(Self.escaped(subtype))"]
        if allowOther { options.append("allow_other") }
        if allowRoot && !allowOther { options.append("allow_root") }
        if readOnly { options.append("ro") }
        if defaultPermissions { options.append("default_permissions") }
        options += extraOptions.filter { !$0.isEmpty }
        return ["pail"] + options.flatMap { ["-o", $0] }
    }

    /// Whether set-id bits and file capabilities have an effect on the mount; libfuse mounts `nosuid` unless told so.
    var honoursSetID: Bool { extraOptions.contains("suid") && !extraOptions.contains("nosuid") }

    private static func escaped(_ value: String) -> String {
        var result = ""
        for character in value.unicodeScalars {
            if character == "," || character == "\\" { result.unicodeScalars.append("\\") }
            result.unicodeScalars.append(character)
        }
        return result
    }
}
