import FoundationEssentials

/// What `pail status`, `sync`, `refresh` and `umount` ask of a mount's process: one line of JSON a request, then lines of JSON
/// until the answer is whole.
///
/// Fields are only ever added, so that a newer command can talk to an older mount: it runs until it is unmounted, while the
/// program may have been updated.
struct ControlRequest: Codable, Sendable, Equatable {
    /// What is wanted.
    enum Command: String, Codable, Sendable {
        /// The state of the mount, once.
        case status
        /// Whether the store answers for the bucket now.
        case check
        /// Store all that is not stored, with progress.
        case sync
        /// Forget what is cached.
        case refresh
        /// Tell of the mount's end: progress, then the outcome.
        case watch
    }

    var command: Command
    /// Below the mount point, without a slash at either end; all where it is missing.
    var path: String?
}

/// One line of an answer.
struct ControlReply: Codable, Sendable, Equatable {
    /// The state, for `status`.
    var status: MountStatus?
    /// What is still to be stored, again and again for `sync` and `watch`.
    var pending: MountStatus.Pending?
    /// The last line of a request that was carried out: what `refresh` forgot, or zero.
    var done: Int?
    /// The last line of a request that failed: a sentence.
    var error: String?

    /// Whether no line follows.
    var isLast: Bool { done != nil || error != nil }
}

/// Lines of JSON.
enum ControlLine {
    /// Longer ones are refused: a name has at most 4,096 bytes (PATH_MAX), and JSON may write six for one.
    static let longest = 64 << 10

    /// A message as a line with its end.
    static func encode(_ message: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The messages are made of texts and whole numbers: there is nothing that JSON could not hold.
        let data = (try? encoder.encode(message)) ?? Data("{}".utf8)
        return [UInt8](data) + [UInt8(ascii: "\n")]
    }

    /// The message in a line; nil where it is none.
    static func decode<Message: Decodable>(_ type: Message.Type, _ line: some Sequence<UInt8>) -> Message? {
        try? JSONDecoder().decode(type, from: Data(line))
    }
}
