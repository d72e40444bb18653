import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// Directories: with a marker, implied, renamed, with names that no file can have.
@Suite(.timeLimit(.minutes(15))) struct DirectoryTests {
    /// An object without a slash can be a directory by its content type, which no listing tells: a count of subdirectories by
    /// listings would leave it out, and with it find(1) all that is below. So the count says "not known".
    @Test func aDirectoryTellsNoLinkCount() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.mkdir("d")
        try await mount.mkdir("d/e")
        bucket.store.insert("d/f", metadata: ObjectMetadata(contentType: "application/x-directory"))
        bucket.clock.advance(seconds: 5)
        #expect(try await mount.list("d") == ["e", "f"])
        #expect(try await mount.stat("d").links == 1)
        #expect(try await mount.stat("d/f").type == .directory)
        try await mount.rmdir("d/e")
        #expect(try await mount.stat("d").links == 1)
    }

    @Test func anImpliedDirectoryStaysAfterItsLastFile() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a/b/f", [1])
        let mount = bucket.mount()
        try await mount.unlink("a/b/f")
        #expect(try await mount.list("a") == ["b"])
        #expect(try await mount.list("a/b") == [])
        let other = bucket.mount()
        #expect(try await other.stat("a/b").type == .directory)
        try await mount.rmdir("a/b")
        #expect(try await bucket.mount().list("a") == [])
        try await mount.rmdir("a")
        #expect(bucket.store.objectCount == 0)
    }

    @Test func anImpliedDirectoryStaysAfterARename() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a/f", [1])
        bucket.store.insert("b/g", [2])
        let mount = bucket.mount()
        try await mount.rename("a/f", to: "b/f")
        #expect(try await bucket.mount().list("") == ["a", "b"])
        try await mount.rename("b", to: "a/c")
        #expect(bucket.store.allKeys.filter { !$0.isDirectoryMarker } == ["a/c/f", "a/c/g"])
        #expect(try await bucket.mount().list("a/c") == ["f", "g"])
    }

    @Test func aDirectoryWithEntriesIsNotRemoved() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.mkdir("d")
        // Another host's file, of which this mount knows nothing.
        bucket.store.insert("d/theirs", [1])
        await #expect(throws: Errno.directoryNotEmpty) { try await mount.rmdir("d") }
        bucket.store.remove("d/theirs")
        // A file that exists only here so far.
        let handle = try await mount.open("d/mine", [.writeOnly, .create])
        await #expect(throws: Errno.directoryNotEmpty) { try await mount.rmdir("d") }
        try await mount.close(handle)
        await #expect(throws: Errno.directoryNotEmpty) { try await mount.rmdir("d") }
        try await mount.unlink("d/mine")
        try await mount.rmdir("d")
        #expect(bucket.store.objectCount == 0)
    }

    @Test func aRenamedDirectoryTakesAllAlong() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.mkdir("d", 0o750)
        try await mount.mkdir("d/sub", 0o711)
        try await mount.put("d/f", "f")
        try await mount.put("d/sub/g", "g")
        let reading = try await mount.open("d/f")
        let writing = try await mount.open("d/new", [.writeOnly, .create])
        try await mount.write(writing, "new")
        try await mount.rename("d", to: "e")
        #expect(try await mount.read(reading) == "f")
        try await mount.close(reading)
        try await mount.close(writing)
        #expect(bucket.store.allKeys == ["e/", "e/f", "e/new", "e/sub/", "e/sub/g"])
        #expect(bucket.text("e/new") == "new")
        let other = bucket.mount()
        #expect(try await other.stat("e").permissions == 0o750)
        #expect(try await other.stat("e/sub").permissions == 0o711)
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("d") }
        await #expect(throws: Errno.invalidArgument) { try await mount.rename("e", to: "e/sub/x") }
    }

    /// A copy of an object that was uploaded in parts may have another ETag: what is open goes on with the new one.
    @Test func openFilesOfManyPartsGoAlongWithTheirDirectory() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount { $0.partSize = 64 }
        try await mount.mkdir("d")
        let text = String((0..<500).map { Character(Unicode.Scalar(UInt8(97 + $0 % 26))) })
        for name in ["r", "w"] { try await mount.put("d/\(name)", text) }
        let before = bucket.store.info(of: "d/w")?.etag
        let reading = try await mount.open("d/r")
        #expect(try await mount.read(reading, at: 0, 10) == String(text.prefix(10)))
        let writing = try await mount.open("d/w", [.readWrite])
        try await mount.write(writing, "XYZ", at: 100)
        try await mount.rename("d", to: "e")
        #expect(bucket.store.info(of: "e/w")?.etag != before)
        #expect(try await mount.read(reading) == text)
        try await mount.close(reading)
        try await mount.close(writing)
        #expect(bucket.text("e/w") == String(text.prefix(100)) + "XYZ" + text.dropFirst(103))
    }

    /// Keys that no file can have a name for are not shown, and harm nothing.
    @Test func hiddenNames() async throws {
        let bucket = TestBucket()
        let long = String(repeating: "x", count: 300)
        for key in [
            "a//b", "/lead", "./x", "../y", "d/.", "d/..", "d/./z", "d/\(long)", "d/\(long)/f", "d/nul\u{0}", "d/ok",
        ] {
            bucket.store.insert(ObjectKey(key), [1])
        }
        let mount = bucket.mount()
        #expect(try await mount.list("") == ["a", "d"])
        #expect(try await mount.list("a") == [])
        #expect(try await mount.list("d") == ["ok"])
        #expect(try await mount.stat("a").type == .directory)
        #expect(try await mount.text("d/ok") == "\u{1}")
        // What is hidden still keeps the directory from being removed, and goes along with it.
        await #expect(throws: Errno.directoryNotEmpty) { try await mount.rmdir("a") }
        let count = bucket.store.objectCount
        try await mount.rename("a", to: "b")
        #expect(bucket.store.content(of: "b//b") == [1])
        #expect(bucket.store.objectCount == count + 1)
    }

    @Test func pagesOfHiddenNamesAlone() async throws {
        let bucket = TestBucket()
        for index in 0..<2300 {
            bucket.store.insert(ObjectKey("d/" + String(repeating: "x", count: 300) + String(10_000 + index)))
        }
        bucket.store.insert("d/a", [1])
        bucket.store.insert("d/z", [1])
        let mount = bucket.mount()
        #expect(try await mount.list("d") == ["a", "z"])
        #expect(try await mount.stat("d/z").size == 1)
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("d/y") }
    }

    @Test func whatIsPailsOwnIsNotShown() async throws {
        let bucket = TestBucket()
        bucket.store.insert(".pail/unlinked/1", [1])
        let mount = bucket.mount()
        #expect(try await mount.list("") == [])
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat(".pail") }
        await #expect(throws: Errno.self) { try await mount.mkdir(".pail") }
        await #expect(throws: Errno.self) { try await mount.put(".pail", "x") }
        #expect(bucket.store.allKeys == [".pail/unlinked/1"])
    }

    @Test func aNameTooLongForItsKey() async throws {
        let bucket = TestBucket()
        let part = String(repeating: "x", count: 250)
        let mount = bucket.mount()
        var path = part
        for _ in 0..<3 {
            try await mount.mkdir(path)
            path += "/" + part
        }
        try await mount.mkdir(path)
        await #expect(throws: Errno.fileNameTooLong) { try await mount.put(path + "/" + part, "x") }
        await #expect(throws: Errno.fileNameTooLong) { try await mount.mkdir(path + "/" + part) }
    }

    /// A store that drops the metadata of directories keeps them all the same, in the content type.
    @Test func modesOfDirectoriesOnAStoreThatDropsThem() async throws {
        let bucket = TestBucket(.seaweedFS)
        bucket.store.insert("implied/f", [1])
        let mount = bucket.mount()
        try await mount.mkdir("d", 0o700)
        try await mount.mkdir("d/sub", 0o711)
        try await mount.chmod("implied", 0o500)
        try await mount.chmod("", 0o750)
        var other = bucket.mount()
        #expect(try await other.stat("d").permissions == 0o700)
        #expect(try await other.stat("d").owner == 10)
        #expect(try await other.stat("d/sub").permissions == 0o711)
        #expect(try await other.stat("implied").permissions == 0o500)
        #expect(try await other.stat("").permissions == 0o750)
        try await mount.chmod("d", 0o770)
        try await mount.rename("d", to: "e")
        try await mount.unlink("implied/f")
        other = bucket.mount()
        #expect(try await other.stat("e").permissions == 0o770)
        #expect(try await other.stat("e/sub").permissions == 0o711)
        #expect(try await other.stat("implied").permissions == 0o500)
        #expect(try await other.list("") == ["e", "implied"])
    }

    @Test func aMountOfAFolderKeepsToIt() async throws {
        let bucket = TestBucket()
        bucket.store.insert("other/f", [1])
        let mount = bucket.mount(prefix: "p/q/")
        try await mount.mkdir("d")
        try await mount.put("d/f", "x")
        try await mount.put("g", "y")
        #expect(bucket.store.allKeys == ["other/f", "p/q/d/", "p/q/d/f", "p/q/g"])
        #expect(try await mount.list("") == ["d", "g"])
        try await mount.chmod("", 0o700)
        #expect(try await bucket.mount(prefix: "p/q/").stat("").permissions == 0o700)
    }
}
