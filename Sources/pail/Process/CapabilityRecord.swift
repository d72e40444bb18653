import ObjectStore
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// What a probe has found of a store, kept on this machine so that the next mount need not ask.
///
/// A small text file for each bucket of each endpoint, in `STATE-DIR/stores/`: a line that says what it is and its version,
/// the store's name, the time, then a line for each ``StoreCapability``. Whatever is not exactly that (another version,
/// another store, a capability unknown or missing, a file cut short) counts as no record, and the store is asked again.
struct CapabilityRecord: Sendable, Equatable {
    /// The store's name, `s3://bucket at http://…`.
    var store: String
    /// When it was found, in seconds of Unix time.
    var time: Int64
    /// What the store lacks.
    var missing: Set<StoreCapability>

    /// A store may be upgraded: after a week it is asked again.
    static let lifetime: Int64 = 7 * 86400
    /// A clock that was wrong when the record was made is not believed.
    static let clockTolerance: Int64 = 3600
    private static let heading = "pail store capabilities 1"
    private static let sizeLimit = 16 << 10

    /// The features that the record stands for.
    var features: StoreFeatures {
        var features = StoreFeatures()
        for capability in missing { features[keyPath: capability.feature] = false }
        return features
    }

    /// Whether it may still be believed at `now`.
    func isFresh(at now: Int64) -> Bool { time <= now + Self.clockTolerance && now - time < Self.lifetime }

    // MARK: Text

    /// The file's text.
    var text: String {
        var lines = [Self.heading, "store \(store)", "time \(time)"]
        for capability in StoreCapability.allCases {
            lines.append("\(capability.rawValue) \(missing.contains(capability) ? "no" : "yes")")
        }
        return lines.joined(separator: "\n") + "\nend\n"
    }

    /// Reads a file's text; nil where it is no record.
    init?(text: String) {
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(String.init)
        let count = StoreCapability.allCases.count
        guard lines.count == count + 5, lines[0] == Self.heading, lines[count + 3] == "end", lines[count + 4] == "",
            lines[1]?.hasPrefix("store ") == true, lines[2]?.hasPrefix("time ") == true,
            let time = lines[2].flatMap({ Int64($0.dropFirst(5)) })
        else { return nil }
        store = String(lines[1]!.dropFirst(6))
        self.time = time
        missing = []
        for (line, capability) in zip(lines[3...], StoreCapability.allCases) {
            switch line {
            case "\(capability.rawValue) yes": break
            case "\(capability.rawValue) no": missing.insert(capability)
            default: return nil
            }
        }
    }

    /// A record of the given parts.
    init(store: String, time: Int64, missing: Set<StoreCapability>) {
        self.store = store
        self.time = time
        self.missing = missing
    }

    // MARK: File

    /// The file of a store: its name's FNV-1a hash, which only has to spread; the name itself is in the file.
    static func path(for store: String, in stateDirectory: String) -> FilePath {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in store.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return FilePath(stateDirectory).appending("stores").appending(String(hash, radix: 16))
    }

    /// Reads the record of a store; nil where there is none that can be read, or that is another's.
    static func read(for store: String, in stateDirectory: String) -> CapabilityRecord? {
        guard let file = try? FileDescriptor.open(path(for: store, in: stateDirectory), .readOnly) else { return nil }
        defer { try? file.close() }
        var bytes = [UInt8](repeating: 0, count: sizeLimit)
        var count = 0
        while count < bytes.count {
            guard let more = try? bytes.withUnsafeMutableBytes({ try file.read(into: .init(rebasing: $0[count...])) })
            else { return nil }
            if more == 0 { break }
            count += more
        }
        guard count < bytes.count, let text = String(validating: bytes[..<count], as: UTF8.self),
            let record = CapabilityRecord(text: text), record.store.utf8.elementsEqual(store.utf8)
        else { return nil }
        return record
    }

    /// Writes the record: a new file that takes the old one's place whole, so that a reader never sees half of one.
    func write(in stateDirectory: String) throws {
        let path = Self.path(for: store, in: stateDirectory)
        try StateDirectory.prepare(path.removingLastComponent().string)
        let temporary = FilePath(path.string + "." + String(UInt32.random(in: .min ... .max), radix: 36))
        let file = try FileDescriptor.open(
            temporary, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
        do {
            try file.closeAfter { _ = try file.writeAll(Array(text.utf8)) }
            guard rename(temporary.string, path.string) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            unlink(temporary.string)
            throw error
        }
    }
}
