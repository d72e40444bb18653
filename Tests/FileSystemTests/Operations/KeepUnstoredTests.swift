import ObjectStore
import ObjectStoreTesting
import Synchronization
import SystemPackage
import Testing

@testable import FileSystem

/// A log in memory.
private final class RecordedLog: UnstoredLog {
    struct Kept: Equatable {
        var key: ObjectKey
        var text: String
        var base: ETag?
        var isConflict: Bool
    }

    let kept = Mutex<[Int64: Kept]>([:])
    private let isFull: Bool
    init(isFull: Bool = false) { self.isFull = isFull }
    var all: [Kept] { kept.withLock { $0.sorted { $0.key < $1.key }.map(\.value) } }

    func keep(_ content: UnstoredContent, replacing earlier: Int64?) async throws -> Int64? {
        if isFull { throw Errno.noSpace }
        var text = ""
        for piece in content.pieces {
            switch piece {
            case .stored(let key, _, let range): text += "<\(key) \(range.lowerBound)-\(range.upperBound)>"
            case .bytes(let body):
                var bytes = [UInt8](repeating: 0, count: Int(body.length))
                var done = 0
                while done < bytes.count {
                    done += try bytes.withUnsafeMutableBytes { buffer in
                        try body.read(at: Int64(done), into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
                    }
                }
                text += String(decoding: bytes, as: UTF8.self)
            }
        }
        return kept.withLock { [text] kept in
            if let earlier { kept[earlier] = nil }
            let number = (kept.keys.max() ?? 0) + 1
            kept[number] = Kept(
                key: content.key, text: text, base: content.base, isConflict: content.cause == .conflict)
            return content.cause == .conflict ? nil : number
        }
    }

    func drop(_ number: Int64) async { kept.withLock { $0[number] = nil } }
}

/// What a close could not store is on this machine's disk, for as long as the bucket does not have it.
@Suite(.timeLimit(.minutes(15))) struct KeepUnstoredTests {
    private let bucket = TestBucket()
    private let log = RecordedLog()

    private func mount() -> (TestMount, FaultyStore) {
        let faulty = FaultyStore(
            bucket.store,
            [.put, .createUpload, .copy].map { .init(.before(.unreachable), on: $0, times: .max) })
        faulty.isEnabled = false
        return (bucket.mount(through: faulty) { $0.unstoredLog = log }, faulty)
    }

    /// Writes a file while the store takes nothing.
    private func failToWrite(
        _ path: String, _ text: String, _ mount: TestMount, _ flags: OpenFlags = [.create, .truncate]
    )
        async throws
    {
        let handle = try await mount.open(path, flags.union(.writeOnly))
        try await mount.write(handle, text)
        await #expect(throws: Errno.self) { try await mount.close(handle) }
    }

    @Test func aFailedCloseIsKeptUntilItIsStored() async throws {
        let (mount, faulty) = mount()
        faulty.isEnabled = true
        try await failToWrite("a", "one", mount)
        #expect(log.all == [.init(key: "a", text: "one", base: nil, isConflict: false)])
        // Tried in vain once more without a change: not written once more.
        try await failToWrite("a", "two!", mount)
        #expect(log.all == [.init(key: "a", text: "two!", base: nil, isConflict: false)])
        faulty.isEnabled = false
        #expect(await mount.fileSystem.drain() == 0)
        #expect(bucket.text("a") == "two!" && log.all.isEmpty)
    }

    @Test func whatIsKeptOfAStoredFileNamesItsVersionAndItsUnchangedBytes() async throws {
        bucket.store.insert("a", Array("0123456789".utf8))
        let (mount, faulty) = mount()
        faulty.isEnabled = true
        let handle = try await mount.open("a", .readWrite)
        try await mount.write(handle, "xy", at: 3)
        await #expect(throws: Errno.self) { try await mount.close(handle) }
        let version = try await bucket.store.head("a").etag
        #expect(log.all == [.init(key: "a", text: "<a 0-3>xy<a 5-10>", base: version, isConflict: false)])
    }

    @Test func whatIsKeptFollowsARenameAndGoesWithARemoval() async throws {
        let (mount, faulty) = mount()
        try await mount.mkdir("d")
        faulty.isEnabled = true
        try await failToWrite("d/a", "one", mount)
        try await mount.rename("d/a", to: "d/b")
        #expect(log.all == [.init(key: "d/b", text: "one", base: nil, isConflict: false)])
        faulty.isEnabled = false
        try await mount.rename("d", to: "e")
        #expect(log.all == [.init(key: "e/b", text: "one", base: nil, isConflict: false)])
        try await mount.unlink("e/b")
        #expect(log.all.isEmpty)
    }

    @Test func aConflictIsKeptAndTheStoresVersionShows() async throws {
        bucket.store.insert("a", Array("0123456789".utf8))
        let mount = bucket.mount { $0.unstoredLog = log }
        let (first, second) = (try await mount.open("a", .readWrite), try await mount.open("a", .writeOnly))
        try await mount.write(first, "mine", at: 2)
        let base = try await bucket.store.head("a").etag
        bucket.store.insert("a", Array("theirs".utf8))
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.close(first) }
        // While somebody has it open, the file is this mount's.
        #expect(log.all.isEmpty)
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.close(second) }
        #expect(log.all == [.init(key: "a", text: "<a 0-2>mine<a 6-10>", base: base, isConflict: true)])
        #expect(try await mount.text("a") == "theirs")
        #expect(await mount.fileSystem.drain() == 0)
        #expect(bucket.text("a") == "theirs")
    }

    @Test func theUnmountKeepsWhatIsStillOpen() async throws {
        let (mount, faulty) = mount()
        let handle = try await mount.open("a", [.writeOnly, .create])
        try await mount.write(handle, "one")
        faulty.isEnabled = true
        #expect(await mount.fileSystem.drain() == 1)
        #expect(log.all == [.init(key: "a", text: "one", base: nil, isConflict: false)])
    }

    @Test func withoutRoomTheFileStaysInMemory() async throws {
        let full = RecordedLog(isFull: true)
        bucket.store.insert("a", Array("0123456789".utf8))
        let mount = bucket.mount { $0.unstoredLog = full }
        let handle = try await mount.open("a", .readWrite)
        try await mount.write(handle, "mine", at: 10)
        bucket.store.insert("a", Array("theirs".utf8))
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.close(handle) }
        #expect(try await mount.stat("a").size == 14)
        #expect(await mount.fileSystem.drain() == 1)
        #expect(bucket.text("a") == "theirs")
    }
}
