import ObjectStore
import ObjectStoreTesting
import Synchronization
import SystemPackage
import Testing

@testable import FileSystem

/// What happens when others change the bucket: other mounts, other tools.
@Suite(.timeLimit(.minutes(15))) struct SharingTests {
    @Test func onlyOneOfTwoMountsMakesALockFile() async throws {
        let bucket = TestBucket()
        let one = bucket.mount()
        let other = bucket.mount()
        // Both believe that the name is free.
        for mount in [one, other] { _ = try await mount.list("") }
        let handle = try await one.open("lock", [.writeOnly, .create, .exclusive])
        await #expect(throws: Errno.fileExists) { try await other.open("lock", [.writeOnly, .create, .exclusive]) }
        #expect(bucket.store.allKeys == ["lock"])
        try await one.write(handle, "one")
        try await one.close(handle)
        #expect(bucket.text("lock") == "one")
        try await one.unlink("lock")
        bucket.clock.advance(seconds: 5)
        let second = try await other.open("lock", [.writeOnly, .create, .exclusive])
        try await other.close(second)
    }

    /// `cp` and `tar`: one request a file, and still nobody's file is overwritten.
    @Test func aCopyingProgramClaimsANameByItsUpload() async throws {
        let bucket = TestBucket()
        let one = bucket.mount { $0.claimsLate = { _ in true } }
        let other = bucket.mount()
        for mount in [one, other] { _ = try await mount.list("") }
        bucket.store.log.reset()
        let handle = try await one.open("copy", [.writeOnly, .create, .exclusive])
        #expect(bucket.store.allKeys == [])
        try await one.write(handle, "one")
        try await one.close(handle)
        #expect(bucket.requests() == ["PutObject": 1])
        #expect(bucket.text("copy") == "one")
        await #expect(throws: Errno.fileExists) { try await one.open("copy", [.writeOnly, .create, .exclusive]) }

        // Somebody else is faster.
        let late = try await one.open("late", [.writeOnly, .create, .exclusive])
        try await one.write(late, "mine")
        try await other.put("late", "theirs")
        await #expect(throws: Errno.self) { try await one.close(late) }
        #expect(bucket.text("late") == "theirs")

        // As rsync does it: the claim is that of the name it was made under, not of the one that it replaces.
        try await one.put("target", "old")
        let temporary = try await one.open(".target.XyZ", [.writeOnly, .create, .exclusive])
        try await one.write(temporary, "new")
        try await one.rename(".target.XyZ", to: "target")
        try await one.close(temporary)
        #expect(bucket.text("target") == "new")
    }

    @Test func onlyOneOfTwoMountsMakesADirectory() async throws {
        let bucket = TestBucket()
        let one = bucket.mount()
        let other = bucket.mount()
        for mount in [one, other] { _ = try await mount.list("") }
        try await one.mkdir("d")
        await #expect(throws: Errno.fileExists) { try await other.mkdir("d") }
    }

    /// `RENAME_NOREPLACE` holds against a file of which this mount does not know.
    @Test func aRenameThatMayNotReplace() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.put("a", "mine")
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("b") }
        bucket.store.insert("b", Array("theirs".utf8))
        await #expect(throws: Errno.fileExists) { try await mount.rename("a", to: "b", .noReplace) }
        #expect(bucket.text("a") == "mine" && bucket.text("b") == "theirs")
    }

    /// Opened for appending; then another host stores, a lookup here finds that and gives the name another inode, and only then the
    /// first handle writes.
    @Test func whatIsAppendedThroughAHandleWhoseFileWasReplacedIsKept() async throws {
        let bucket = TestBucket()
        bucket.store.insert("log", Array("first\n".utf8))
        let mount = bucket.mount()
        let handle = try await mount.open("log", [.writeOnly, .append])
        bucket.clock.advance(seconds: 5)
        bucket.store.insert("log", Array("first\ntheirs\n".utf8))
        #expect(try await mount.stat("log").size == 13)
        try await mount.write(handle, "mine\n")
        try await mount.close(handle)
        #expect(bucket.text("log") == "first\ntheirs\nmine\n")
        #expect(try await mount.text("log") == "first\ntheirs\nmine\n")
    }

    /// The same with a change that is no append, and of a file that was removed: an error, never a silent loss.
    @Test(arguments: [true, false]) func whatIsWrittenThroughAHandleWhoseFileWasReplacedIsAnError(isRemoved: Bool)
        async throws
    {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("0123456789".utf8))
        let mount = bucket.mount()
        let flags: OpenFlags = isRemoved ? [.writeOnly, .append] : [.writeOnly]
        let handle = try await mount.open("a", flags)
        bucket.clock.advance(seconds: 5)
        if isRemoved { bucket.store.remove("a") } else { bucket.store.insert("a", Array("theirs".utf8)) }
        _ = try? await mount.stat("a")
        try await mount.write(handle, "mine", at: 2)
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.close(handle) }
        #expect(bucket.text("a") == (isRemoved ? nil : "theirs"))
    }

    @Test func aPartialOverwriteOfAChangedObjectIsRefused() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("0123456789".utf8))
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.readWrite])
        try await mount.write(handle, "x", at: 3)
        bucket.store.insert("a", Array("theirs, and longer".utf8))
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.close(handle) }
        #expect(bucket.text("a") == "theirs, and longer")
    }

    /// `--on-conflict overwrite`: what was changed is laid over the other's version; what that does not have is zeros.
    @Test(arguments: ["theirs, and longer", "short"]) func aConflictIsOverwrittenWhereThatIsWanted(theirs: String)
        async throws
    {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("0123456789".utf8))
        let mount = bucket.mount { $0.overwritesConflicts = true }
        let handle = try await mount.open("a", [.readWrite])
        try await mount.write(handle, "x", at: 3)
        bucket.store.insert("a", Array(theirs.utf8))
        try await mount.close(handle)
        #expect(bucket.text("a") == (theirs == "short" ? "shoxt\0\0\0\0\0" : "thexrs, an"))
        #expect(try await mount.text("a") == bucket.text("a"))
        // A lock file is nobody else's all the same.
        bucket.store.insert("lock", [1])
        await #expect(throws: Errno.fileExists) {
            try await mount.open("lock", [.writeOnly, .create, .exclusive])
        }
        // What was removed is not made anew.
        let removed = try await mount.open("a", [.readWrite])
        try await mount.write(removed, "y", at: 1)
        bucket.store.remove("a")
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.close(removed) }
    }

    /// Lines appended on two hosts are all kept, in whatever order the closes come, also to a file that neither has seen before.
    @Test(arguments: [0, 5, 300], [64, 1 << 20]) func appendsOnTwoHostsAreAllKept(first size: Int, partSize: Int64)
        async throws
    {
        let bucket = TestBucket()
        let start = String(repeating: "s", count: size)
        if size > 0 { bucket.store.insert("log", Array(start.utf8)) }
        let mounts = (0..<3).map { _ in bucket.mount { $0.partSize = partSize } }
        var handles: [HandleID] = []
        for mount in mounts { handles.append(try await mount.open("log", [.writeOnly, .create, .append])) }
        for round in 0..<3 {
            for (index, mount) in mounts.enumerated() {
                let line = "\(index).\(round) " + String(repeating: "x", count: 90) + "\n"
                try await mount.write(handles[index], line)
                // Some lines wait for the next one.
                if (index + round) % 2 == 0 { try await mount.fileSystem.synchronize(handles[index]) }
            }
        }
        for (index, mount) in mounts.enumerated() { try await mount.close(handles[index]) }
        let text = try #require(bucket.text("log"))
        #expect(text.hasPrefix(start))
        let lines = text.dropFirst(size).split(separator: "\n").map { $0.prefix(3) }
        #expect(lines.sorted() == ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2", "2.0", "2.1", "2.2"], "\(lines)")
        for index in 0..<3 {
            let own = lines.filter { $0.hasPrefix("\(index)") }
            #expect(own == own.sorted(), "one host's lines stay in order")
        }
        for mount in mounts {
            bucket.clock.advance(seconds: 5)
            #expect(try await mount.text("log") == text)
        }
        #expect(bucket.store.uploadsUnderWay.isEmpty)
    }

    /// What was written elsewhere than at the end does not go behind another version; nor is a removed file made anew.
    @Test func onlyAppendsAreAppliedAgain() async throws {
        let bucket = TestBucket()
        bucket.store.insert("log", Array("start".utf8))
        bucket.store.insert("other", Array("start".utf8))
        let mount = bucket.mount()
        let mixed = try await mount.open("log", [.readWrite, .append])
        try await mount.write(mixed, "end")
        let patching = try await mount.open("log", [.readWrite])
        try await mount.write(patching, "S", at: 0)
        bucket.store.insert("log", Array("theirs".utf8))
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.fileSystem.synchronize(mixed) }
        #expect(bucket.text("log") == "theirs")

        let removed = try await mount.open("other", [.writeOnly, .append])
        try await mount.write(removed, "end")
        bucket.store.remove("other")
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.fileSystem.synchronize(removed) }
        #expect(bucket.text("other") == nil)
    }

    /// An answer that was asked for before this mount stored a file, and that comes after the kernel has forgotten it, is not believed.
    @Test func anAnswerFromBeforeAStoreIsNotBelieved() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("old".utf8))
        let (asked, mayAnswer) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        let isArmed = Mutex(false)
        let store = InterveningStore(
            bucket.store,
            after: { request in
                let isThis = isArmed.withLock { armed in
                    defer { if request.operation == .head { armed = false } }
                    return armed && request.operation == .head
                }
                guard isThis else { return }
                bucket.clock.advance(seconds: 1)
                asked.continuation.yield()
                for await _ in mayAnswer.stream { break }
            })
        let mount = bucket.mount(through: store) { $0.attributeTimeout = 3 }
        let handle = try await mount.open("a", [.readWrite])
        bucket.clock.advance(seconds: 5)
        isArmed.withLock { $0 = true }
        async let early = mount.stat("a").size
        for await _ in asked.stream { break }
        // Meanwhile the file is stored and closed, and nobody holds it any more.
        try await mount.write(handle, "new, and longer", at: 0)
        try await mount.close(handle)
        mayAnswer.continuation.yield()
        #expect(try await early == 15)
        #expect(try await mount.stat("a").size == 15)
        #expect(try await mount.text("a") == "new, and longer")
    }

    /// Whoever has made a lock file opens what its last holder has closed, however long attributes are believed.
    @Test func aLockFileIsABarrier() async throws {
        let bucket = TestBucket()
        bucket.store.insert("counter", Array("9".utf8))
        let mounts = (0..<2).map { _ in bucket.mount { $0.attributeTimeout = 3600 } }
        for mount in mounts { #expect(try await mount.text("counter") == "9") }
        for round in 10..<20 {
            let mount = mounts[round % 2]
            let lock = try await mount.open("lock", [.writeOnly, .create, .exclusive])
            // As the kernel does: ESTALE makes it look the name up anew, once.
            var text: String?
            do throws(Errno) { text = try await mount.text("counter") } catch {
                guard error == .staleNFSFileHandle else { throw error }
                text = try await mount.text("counter")
            }
            #expect(text == "\(round - 1)")
            try await mount.put("counter", "\(round)")
            try await mount.close(lock)
            try await mount.unlink("lock")
        }
        #expect(bucket.text("counter") == "19")
    }

    @Test func aFullReplacementIsLastWriterWins() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("0123456789".utf8))
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.writeOnly, .truncate])
        try await mount.write(handle, "mine")
        bucket.store.insert("a", Array("theirs".utf8))
        try await mount.close(handle)
        #expect(bucket.text("a") == "mine")
    }

    @Test func changingAttributesOfAChangedObjectIsRefused() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", [1])
        let mount = bucket.mount()
        let held = try await mount.lookup("a", in: .root)
        bucket.store.insert("a", [2, 3])
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.chmod("a", 0o600) }
        #expect(bucket.store.content(of: "a") == [2, 3])
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    /// A reader that has had nothing yet gets the new version whole; one that has had some gets an error, never a mix.
    @Test func aReaderOfAReplacedObject() async throws {
        let bucket = TestBucket()
        let size = 4 << 20
        let old = String(repeating: "o", count: size)
        let new = String(repeating: "n", count: size + 5)
        bucket.store.insert("a", Array(old.utf8))
        let mount = bucket.mount()
        let reading = try await mount.open("a")
        #expect(try await mount.read(reading, at: 0, 1000) == String(repeating: "o", count: 1000))
        bucket.store.insert("a", Array(new.utf8))
        var offset: Int64 = 1000
        var failure: Errno?
        while failure == nil, offset < Int64(size) {
            do throws(Errno) {
                let part = try await mount.read(reading, at: offset, 128 << 10)
                #expect(part.utf8.allSatisfy { $0 == UInt8(ascii: "o") })
                if part.isEmpty { break }
                offset += Int64(part.utf8.count)
            } catch {
                failure = error
            }
        }
        #expect(failure == .staleNFSFileHandle || offset == Int64(size))
        try await mount.close(reading)
        bucket.clock.advance(seconds: 5)
        #expect(try await mount.stat("a").size == Int64(size + 5))
    }

    @Test func anOpenFileOfWhichNothingWasReadShowsTheNewVersion() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("old".utf8))
        let mount = bucket.mount()
        let handle = try await mount.open("a")
        bucket.store.insert("a", Array("newer".utf8))
        #expect(try await mount.read(handle) == "newer")
        try await mount.close(handle)
    }

    /// One handle has had bytes of the old version, another none: both fail rather than meet the new version on one inode, and
    /// the next open gets it whole.
    @Test func twoReadersOfAReplacedObject() async throws {
        let bucket = TestBucket()
        let size = 40 << 20
        bucket.store.insert("a", [UInt8](repeating: UInt8(ascii: "o"), count: size))
        let mount = bucket.mount()
        let one = try await mount.open("a")
        let other = try await mount.open("a")
        #expect(try await mount.read(one, at: 0, 10) == "oooooooooo")
        bucket.store.insert("a", [UInt8](repeating: UInt8(ascii: "n"), count: size))
        for handle in [other, one] {
            await #expect(throws: Errno.staleNFSFileHandle) { try await mount.read(handle, at: Int64(size) - 10, 10) }
        }
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.read(other, at: Int64(size) - 10, 10) }
        let fresh = try await mount.open("a")
        #expect(try await mount.read(fresh, at: Int64(size) - 10, 10) == "nnnnnnnnnn")
        for handle in [one, other, fresh] { try await mount.close(handle) }
    }

    /// The kernel keeps a closed file's pages and hands them out to the next handle without a word; so that handle keeps to the
    /// version that the pages show.
    @Test func aReaderOfKeptPagesDoesNotGoOver() async throws {
        let bucket = TestBucket()
        let size = 40 << 20
        bucket.store.insert("a", [UInt8](repeating: UInt8(ascii: "o"), count: size))
        let mount = bucket.mount()
        let held = try await mount.lookup("a", in: .root)
        let first = try await mount.open("a")
        #expect(try await mount.read(first, at: 0, 10) == "oooooooooo")
        try await mount.close(first)
        let second = try await mount.open("a")
        bucket.store.insert("a", [UInt8](repeating: UInt8(ascii: "n"), count: size))
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.read(second, at: Int64(size) - 10, 10) }
        try await mount.close(second)
        #expect(try await mount.text("a").hasPrefix("nnnn"))
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    @Test func closeToOpen() async throws {
        let bucket = TestBucket()
        let one = bucket.mount { $0.attributeTimeout = 0 }
        let other = bucket.mount { $0.attributeTimeout = 0 }
        for round in 0..<5 {
            let (writer, reader) = round % 2 == 0 ? (one, other) : (other, one)
            try await writer.put("a", "round \(round)")
            #expect(try await reader.text("a") == "round \(round)")
        }
        try await one.unlink("a")
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await other.text("a") }
    }

    /// Within the timeout a mount may be late; past it, not.
    @Test func anothersFileIsSeenAfterTheTimeout() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("a") }
        bucket.store.insert("a", [1])
        bucket.clock.advance(seconds: 2)
        #expect(try await mount.stat("a").size == 1)
        bucket.store.remove("a")
        bucket.clock.advance(seconds: 2)
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("a") }
    }

    @Test func anUnlinkedOpenFileIsReadOn() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("hello".utf8))
        let mount = bucket.mount()
        let handle = try await mount.open("a")
        try await mount.unlink("a")
        #expect(bucket.store.content(of: "a") == nil)
        #expect(bucket.store.allKeys.count == 1 && bucket.store.allKeys[0].hasPrefix(".pail/unlinked/"))
        #expect(try await mount.read(handle) == "hello")
        #expect(try await mount.list("") == [])
        // The name is free again.
        try await mount.put("a", "new")
        #expect(try await mount.read(handle) == "hello")
        try await mount.close(handle)
        #expect(bucket.store.allKeys == ["a"] && bucket.text("a") == "new")
    }

    @Test func aReplacedOpenFileIsReadOn() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("old".utf8))
        let mount = bucket.mount()
        try await mount.put("b", "new")
        let handle = try await mount.open("a")
        try await mount.rename("b", to: "a")
        #expect(try await mount.read(handle) == "old")
        #expect(try await mount.text("a") == "new")
        try await mount.close(handle)
        #expect(bucket.store.allKeys == ["a"] && bucket.text("a") == "new")
    }

    /// One handle has emptied and written the file, unlinked and closed it: the other handle reads what was written.
    @Test func anUnlinkedFileThatAnotherHandleEmptied() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("hello".utf8))
        let mount = bucket.mount()
        let reader = try await mount.open("a")
        #expect(try await mount.read(reader) == "hello")
        let writer = try await mount.open("a", [.writeOnly, .truncate])
        try await mount.unlink("a")
        #expect(bucket.store.allKeys.count == 1 && bucket.store.allKeys[0].hasPrefix(".pail/unlinked/"))
        #expect(try await mount.read(reader) == "")
        try await mount.write(writer, "new")
        try await mount.close(writer)
        #expect(try await mount.read(reader, at: 1, 9) == "ew")
        try await mount.close(reader)
        #expect(bucket.store.objectCount == 0)
    }

    /// An open, never stored file replaces a stored one; that must not come back under the old name, however the file goes on.
    @Test(arguments: ["rename", "rename over", "unlink"]) func whatAnUnstoredFileHasReplacedIsGone(by verb: String)
        async throws
    {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("old".utf8))
        bucket.store.insert("c", Array("other".utf8))
        let mount = bucket.mount()
        let handle = try await mount.open("b", [.readWrite, .create])
        try await mount.write(handle, "new")
        try await mount.rename("b", to: "a")
        // Until the commit the bucket has the old file: whoever dies now has lost nothing.
        #expect(bucket.text("a") == "old")
        switch verb {
        case "rename": try await mount.rename("a", to: "b")
        case "rename over": try await mount.rename("a", to: "c")
        default: try await mount.unlink("a")
        }
        bucket.clock.advance(seconds: 5)
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("a") }
        try await mount.close(handle)
        bucket.clock.advance(seconds: 5)
        switch verb {
        case "rename": #expect(bucket.text("b") == "new" && bucket.text("c") == "other")
        case "rename over": #expect(bucket.text("c") == "new")
        default: #expect(bucket.text("c") == "other" && bucket.store.objectCount == 1)
        }
        #expect(try await mount.list("").contains("a") == false)
    }

    /// A file without a name is never stored: its close leaves nothing.
    @Test func anUnlinkedNewFileLeavesNothing() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.readWrite, .create])
        try await mount.write(handle, "hello")
        try await mount.unlink("a")
        #expect(try await mount.read(handle) == "hello")
        try await mount.close(handle)
        #expect(bucket.store.objectCount == 0)
    }
}
