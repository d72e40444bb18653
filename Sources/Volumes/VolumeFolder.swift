import FoundationEssentials
import Glibc

/// The records of the volumes on the disk: `NAME.json`, each replaced as a whole (written beside, synced, renamed, its directory synced), mode 0600.
///
/// One process has the folder: it is locked (flock(2)) for as long as this value lives. A record that cannot be read is left as it is, and its
/// volume answers every call by that.
///
/// A write costs two fsync(2).
public final class VolumeFolder: Sendable {
    /// What the folder held when it was opened.
    struct Content: Sendable {
        var records: [VolumeRecord] = []
        /// Names whose record cannot be used, and why.
        var unreadable: [String: String] = [:]
    }

    private let path: String
    private let lock: Int32
    private static let suffix = ".json"

    /// Opens the folder, made for its owner alone where it is missing.
    /// - Throws: ``VolumeRefusal`` where it cannot be made or used, or another process has it.
    public init(_ path: String) throws(VolumeRefusal) {
        self.path = path
        var part = ""
        for component in path.split(separator: "/") {
            part += "/" + component
            guard mkdir(part, 0o700) == 0 || errno == EEXIST else {
                throw VolumeRefusal("\(part) cannot be made: \(Self.reason())")
            }
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0
        else { throw VolumeRefusal("\(path) is not this user's own directory") }
        lock = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw VolumeRefusal("\(path)/lock cannot be opened: \(Self.reason())") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw VolumeRefusal("another process serves the volumes of \(path)")
        }
    }

    deinit { close(lock) }

    /// Reads all records, and takes away what an interrupted write has left.
    func load() throws(VolumeRefusal) -> Content {
        guard let stream = opendir(path) else { throw VolumeRefusal("\(path) cannot be read: \(Self.reason())") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        var content = Content()
        for file in names.sorted() {
            if file.hasSuffix(Self.suffix + ".new") { unlink(path + "/" + file) }
            guard file.hasSuffix(Self.suffix) else { continue }
            let name = String(file.dropLast(Self.suffix.count))
            do throws(VolumeRefusal) {
                let record = try read(file)
                guard record.name == name else { throw VolumeRefusal("it tells of another volume") }
                _ = try VolumeName(name)
                content.records.append(record)
            } catch {
                content.unreadable[name] = "\(path)/\(file) cannot be used: \(error)"
            }
        }
        return content
    }

    private func read(_ file: String) throws(VolumeRefusal) -> VolumeRecord {
        let descriptor = open(path + "/" + file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { throw VolumeRefusal(Self.reason()) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < 16 << 20 {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw VolumeRefusal(Self.reason()) }
            if count == 0 { break }
            bytes += piece[..<count]
        }
        guard let record = try? JSONDecoder().decode(VolumeRecord.self, from: Data(bytes)) else {
            throw VolumeRefusal("it is no record of a volume")
        }
        return record
    }

    /// Writes a record, in the place of an older one.
    func write(_ record: VolumeRecord) throws(VolumeRefusal) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(record) else { throw VolumeRefusal("the record cannot be written down") }
        let target = path + "/" + record.name + Self.suffix
        let temporary = target + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw unwritable(target) }
        var rest = [UInt8](data)[...]
        var failure: Int32 = 0
        while !rest.isEmpty, failure == 0 {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR { failure = errno }
        }
        if failure == 0, fsync(descriptor) != 0 { failure = errno }
        if close(descriptor) != 0, failure == 0 { failure = errno }
        if failure == 0, rename(temporary, target) != 0 { failure = errno }
        guard failure == 0 else {
            unlink(temporary)
            errno = failure
            throw unwritable(target)
        }
        try synchronize()
    }

    /// Takes a record away; nothing where there is none.
    func erase(_ name: String) throws(VolumeRefusal) {
        let target = path + "/" + name + Self.suffix
        guard unlink(target) == 0 || errno == ENOENT else { throw unwritable(target) }
        try synchronize()
    }

    private func synchronize() throws(VolumeRefusal) {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw unwritable(path) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw unwritable(path) }
    }

    private func unwritable(_ path: String) -> VolumeRefusal {
        VolumeRefusal("\(path) cannot be written: \(Self.reason())")
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}
