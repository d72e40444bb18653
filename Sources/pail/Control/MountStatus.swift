/// What a mount's process tells of itself: the answer of `pail status`, and with `--json` its documented form.
struct MountStatus: Codable, Sendable, Equatable {
    /// What is not in the bucket yet, or never got there.
    struct Pending: Codable, Sendable, Equatable {
        /// One change that waits.
        struct Change: Codable, Sendable, Equatable {
            /// `put`, `copy` or `delete`.
            var kind: String
            var key: String
            /// Bytes to be sent.
            var bytes: Int64
            /// Seconds since the program's call returned.
            var age: Double
            /// How often it was tried.
            var attempts: Int
            /// What the store said the last time.
            var lastError: String?
        }

        /// Content that could not be stored and is kept on this machine.
        struct Kept: Codable, Sendable, Equatable {
            /// What `pail recover` knows it by; missing where an older mount tells it.
            var id: Int64?
            var key: String
            var bytes: Int64
            /// Why it was not stored.
            var reason: String
        }

        /// Changes that wait.
        var changes = 0
        /// Bytes that they have to send.
        var bytes: Int64 = 0
        /// How long the oldest has waited, in seconds.
        var oldestAge: Double = 0
        /// The first of them, at most a hundred.
        var first: [Change] = []
        /// What is kept, at most a hundred.
        var kept: [Kept] = []
    }

    /// Requests to the store and what they moved.
    struct Requests: Codable, Sendable, Equatable {
        var total = 0
        var byOperation: [String: Int] = [:]
        var retries = 0
        var failures = 0
        var bytesSent: Int64 = 0
        var bytesReceived: Int64 = 0
        /// Answers by status: `"200"`, `"none"`, `"cancelled"`; missing where an older mount tells it.
        var byStatus: [String: Int]?
        /// What they cost in US$, by the prices that the command was given.
        var estimatedCost: Double?
    }

    /// What programs asked of the mount.
    struct Activity: Codable, Sendable, Equatable {
        /// One verb: `read`.
        struct Operation: Codable, Sendable, Equatable {
            var count: Int
            /// Those that waited for the store or the disk.
            var waited: Int
            var errors: Int
            /// Seconds.
            var mean: Double
            /// Seconds that one of a hundred exceeded, estimated.
            var slowest1Percent: Double
        }

        var operations = 0
        /// Those answered with an error, but for `ENOENT` and `ENODATA`.
        var errors = 0
        var bytesRead: Int64 = 0
        /// Of those, without a wait.
        var bytesFromMemory: Int64 = 0
        var bytesWritten: Int64 = 0
        /// Blocks found in the disk cache and looked for in vain; missing where there is none.
        var diskCacheHits: Int?
        var diskCacheMisses: Int?
        var diskCacheBytes: Int64?
        var byOperation: [String: Operation] = [:]
    }

    var source: String
    var mountPoint: String
    var endpoint: String
    var pid: Int32
    var version: String
    /// Seconds since the mount answered first.
    var uptime: Double
    /// `strict` or `write-back`.
    var mode: String
    var isReadOnly: Bool
    /// Programs' requests that wait for an answer.
    var waitingRequests: Int
    /// Bytes of the memory budget in use, and the budget.
    var memoryUsed: Int
    var memoryLimit: Int
    /// Files and directories that the kernel remembers.
    var inodes: Int
    /// The process's resident memory in bytes.
    var residentMemory: Int
    var requests: Requests
    var pending: Pending
    /// The directory of the mount's journal; missing where an older mount tells it.
    var journal: String?
    /// What programs asked; missing where an older mount tells it.
    var activity: Activity?
    /// Whether the store is out of reach.
    var isStoreLost: Bool?
}
