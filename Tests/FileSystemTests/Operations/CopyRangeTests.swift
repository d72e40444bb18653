import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// copy_file_range(2) inside the store.
@Suite(.timeLimit(.minutes(15))) struct CopyRangeTests {
    static let text = String((0..<1000).map { Character(Unicode.Scalar(UInt8(97 + $0 * 7 % 26))) })

    private func copy(
        _ mount: TestMount, _ from: HandleID, _ sourceOffset: Int64, _ to: HandleID, _ offset: Int64, _ length: Int64
    ) async throws(Errno) -> Int64 {
        try await mount.fileSystem.copyRange(of: from, from: sourceOffset, to: to, at: offset, length: length)
    }

    @Test func aWholeFileIsOneCopyRequest() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array(Self.text.utf8))
        let mount = bucket.mount()
        let from = try await mount.open("a")
        let to = try await mount.open("b", [.writeOnly, .create], permissions: 0o600)
        bucket.store.log.reset()
        // In two pieces, as the kernel splits what is over 2 GiB.
        #expect(try await copy(mount, from, 0, to, 0, 600) == 600)
        #expect(try await copy(mount, from, 600, to, 600, 1 << 40) == 400)
        #expect(try await copy(mount, from, 1000, to, 1000, 1 << 40) == 0)
        #expect(bucket.requests() == [:])
        #expect(bucket.store.allKeys == ["a"])
        try await mount.close(to)
        #expect(bucket.requests() == ["CopyObject": 1])
        #expect(bucket.text("b") == Self.text)
        try await mount.close(from)
        #expect(try await mount.text("b") == Self.text)
        #expect(try await mount.stat("b").permissions == 0o600)
        bucket.clock.advance(seconds: 5)
        #expect(try await bucket.mount().stat("b").permissions == 0o600)
    }

    @Test func rangesAreCopiedAndTheRestIsSent() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array(Self.text.utf8))
        let mount = bucket.mount { $0.partSize = 64 }
        let from = try await mount.open("a")
        let to = try await mount.open("b", [.readWrite, .create])
        #expect(try await copy(mount, from, 300, to, 0, 500) == 500)
        try await mount.write(to, "written", at: 100)
        let expected =
            Self.text.dropFirst(300).prefix(100) + "written" + Self.text.dropFirst(407).prefix(393)
        // Before it is stored as well as after.
        #expect(try await mount.read(to) == String(expected))
        bucket.store.log.reset()
        try await mount.close(to)
        #expect(bucket.requests()["UploadPartCopy"] ?? 0 > 0)
        #expect(bucket.text("b") == String(expected))
        try await mount.close(from)
    }

    @Test func whatHasToBeReadAndWrittenIsLeftToTheKernel() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array(Self.text.utf8))
        bucket.store.insert("c", Array(Self.text.utf8))
        let mount = bucket.mount()
        let from = try await mount.open("a", [.readWrite])
        let to = try await mount.open("c", [.readWrite])
        // A few bytes; a target that keeps bytes of its own version; within one file; a source with changes.
        await #expect(throws: Errno.notSupportedOnSocket) { try await copy(mount, from, 1, to, 0, 10) }
        await #expect(throws: Errno.notSupportedOnSocket) { try await copy(mount, from, 0, to, 10, 500) }
        await #expect(throws: Errno.notSupportedOnSocket) { try await copy(mount, from, 0, from, 500, 500) }
        try await mount.write(from, "x")
        await #expect(throws: Errno.notSupportedOnSocket) { try await copy(mount, from, 0, to, 0, 1000) }
        try await mount.close(from)
        try await mount.close(to)
        #expect(bucket.text("c") == Self.text)
    }

    /// What takes the source's version away on this mount has the copy done first.
    @Test(arguments: ["unlink", "rename", "rename of the directory", "write", "chmod"])
    func theSourceMayGoBeforeTheClose(what: String) async throws {
        let bucket = TestBucket()
        bucket.store.insert("d/a", Array(Self.text.utf8))
        let mount = bucket.mount()
        let from = try await mount.open("d/a")
        let to = try await mount.open("b", [.readWrite, .create])
        #expect(try await copy(mount, from, 0, to, 0, 1000) == 1000)
        switch what {
        case "unlink": try await mount.unlink("d/a")
        case "rename": try await mount.rename("d/a", to: "d/c")
        case "rename of the directory": try await mount.rename("d", to: "e")
        case "write": try await mount.put("d/a", "another")
        default: try await mount.chmod("d/a", 0o600)
        }
        try await mount.write(to, "Y", at: 999)
        #expect(try await mount.read(to) == Self.text.dropLast() + "Y")
        try await mount.close(to)
        try await mount.close(from)
        #expect(bucket.text("b") == Self.text.dropLast() + "Y")
    }

    /// The kernel has forgotten the source when somebody writes it anew: the copy is done first all the same.
    @Test func theSourceMayBeForgottenBeforeItGoes() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array(Self.text.utf8))
        let mount = bucket.mount()
        let from = try await mount.open("a")
        let to = try await mount.open("b", [.readWrite, .create])
        #expect(try await copy(mount, from, 0, to, 0, 1000) == 1000)
        try await mount.close(from)
        try await mount.put("a", "another")
        #expect(try await mount.read(to) == Self.text)
        try await mount.close(to)
        #expect(bucket.text("b") == Self.text)
    }

    /// A copy that loses its name while it is open keeps its content when the source changes after that.
    @Test(arguments: ["unlink", "replace"]) func anOpenCopyWithoutAName(by verb: String) async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array(Self.text.utf8))
        bucket.store.insert("c", [1])
        let mount = bucket.mount()
        let from = try await mount.open("a")
        let to = try await mount.open("b", [.readWrite, .create])
        #expect(try await copy(mount, from, 0, to, 0, 1 << 40) == 1000)
        if verb == "unlink" { try await mount.unlink("b") } else { try await mount.rename("c", to: "b") }
        // And what is copied to a file without a name has to be written to it.
        await #expect(throws: Errno.notSupportedOnSocket) { try await copy(mount, from, 0, to, 0, 1 << 40) }
        try await mount.close(from)
        try await mount.put("a", "another")
        #expect(try await mount.read(to, at: 0, 2000) == Self.text)
        try await mount.close(to)
        #expect(bucket.store.allKeys == (verb == "unlink" ? ["a", "c"] : ["a", "b"]))
    }

    /// What is copied is one version, and the close says where it is gone.
    @Test func aSourceReplacedElsewhereIsAnError() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array(Self.text.utf8))
        let mount = bucket.mount()
        let from = try await mount.open("a")
        let to = try await mount.open("b", [.readWrite, .create])
        #expect(try await copy(mount, from, 0, to, 0, 1000) == 1000)
        bucket.store.insert("a", Array("another".utf8))
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.close(to) }
        #expect(bucket.store.allKeys == ["a"])
        try await mount.close(from)
    }
}
