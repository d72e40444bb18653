internal import FoundationEssentials
internal import SystemPackage

/// Where a check stands, in a file: what was found, and the key up to which all is done. The next run with `--resume` goes on
/// from there.
///
/// The listing is not resumed but read again: it costs a thousandth of the rest, and its checks need to see it whole.
struct CheckPosition: Codable, Sendable, Equatable {
    /// Of this form.
    static let currentVersion = 1
    var version = currentVersion
    /// The store and the prefix.
    var source: String
    /// What was asked for; another call begins anew.
    var readsHeaders: Bool
    var verifiesData: Bool
    /// The step that is under way.
    var phase: CheckPhase
    /// All keys up to this one are done in it; nil for none.
    var lastKey: String?
    /// How many objects that is.
    var done: Int
    /// What was found so far.
    var report: CheckReport

    private static let sizeLimit = 64 << 20

    /// Reads a position; nil where there is none that can be used.
    static func load(_ path: String, for options: CheckOptions) -> CheckPosition? {
        guard let file = try? FileDescriptor.open(FilePath(path), .readOnly) else { return nil }
        defer { try? file.close() }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while let count = try? piece.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 {
            bytes += piece[..<count]
            guard bytes.count <= sizeLimit else { return nil }
        }
        guard let position = try? JSONDecoder().decode(CheckPosition.self, from: Data(bytes)),
            position.version == currentVersion, position.source.utf8.elementsEqual(options.source.utf8),
            position.readsHeaders == options.readsHeaders, position.verifiesData == options.verifiesData
        else { return nil }
        return position
    }

    /// Writes the position whole: a new file that takes the old one's place.
    func save(_ path: String) throws {
        let data = try JSONEncoder().encode(self)
        let temporary = FilePath(path + ".new")
        let file = try FileDescriptor.open(
            temporary, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
        try file.closeAfter { _ = try file.writeAll(Array(data)) }
        try rename(temporary, to: FilePath(path))
    }

    private func rename(_ from: FilePath, to: FilePath) throws {
        let failed = from.withPlatformString { from in to.withPlatformString { to in platformRename(from, to) } }
        if failed != 0 { throw Errno.current }
    }

    /// Takes the file away: the check is done.
    static func remove(_ path: String) { platformRemove(path) }
}
