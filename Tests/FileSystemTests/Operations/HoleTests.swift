import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// fallocate(2), and lseek(2) for data and holes.
@Suite(.timeLimit(.minutes(15))) struct HoleTests {
    @Test func aPunchedHoleIsZerosAndKeepsTheRest() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("0123456789".utf8))
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.readWrite])
        try await mount.fileSystem.allocate(handle, mode: [.punchHole, .keepSize], offset: 8, length: 100)
        try await mount.fileSystem.allocate(handle, mode: [.punchHole, .keepSize], offset: 2, length: 3)
        // Behind the end, nothing is to be done.
        try await mount.fileSystem.allocate(handle, mode: [.punchHole, .keepSize], offset: 50, length: 3)
        #expect(try await mount.read(handle) == "01\0\0\u{0}567\0\0")
        #expect(mount.fileSystem.seekNow(handle, from: 0, to: .hole) == .success(2))
        #expect(mount.fileSystem.seekNow(handle, from: 3, to: .data) == .success(5))
        #expect(mount.fileSystem.seekNow(handle, from: 8, to: .data) == .failure(.noSuchAddressOrDevice))
        try await mount.close(handle)
        #expect(bucket.text("a") == "01\0\0\u{0}567\0\0")
    }

    @Test func anAllocationGrowsTheFileUnlessToldNotTo() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.readWrite, .create])
        try await mount.write(handle, "abc")
        try await mount.fileSystem.allocate(handle, mode: .keepSize, offset: 0, length: 100)
        #expect(try await mount.stat("a").size == 3)
        try await mount.fileSystem.allocate(handle, mode: [], offset: 0, length: 2)
        #expect(try await mount.read(handle) == "abc")
        try await mount.fileSystem.allocate(handle, mode: [], offset: 1, length: 5)
        #expect(try await mount.read(handle) == "abc\0\0\0")
        try await mount.fileSystem.allocate(handle, mode: .zeroRange, offset: 1, length: 7)
        try await mount.fileSystem.allocate(handle, mode: [.zeroRange, .keepSize], offset: 7, length: 9)
        try await mount.close(handle)
        #expect(bucket.text("a") == "a\0\0\0\0\0\0\0")
    }

    @Test func whatCannotBeAllocated() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.readWrite, .create])
        for mode in [0x8, 0x20, 0x40] as [Int32] {
            await #expect(throws: Errno.notSupportedOnSocket) {
                try await mount.fileSystem.allocate(handle, mode: .init(rawValue: mode), offset: 0, length: 1)
            }
        }
        await #expect(throws: Errno.invalidArgument) {
            try await mount.fileSystem.allocate(handle, mode: [], offset: 0, length: 0)
        }
        await #expect(throws: Errno.fileTooLarge) {
            try await mount.fileSystem.allocate(handle, mode: [], offset: .max, length: 1)
        }
        try await mount.close(handle)
        let reader = try await mount.open("a")
        await #expect(throws: Errno.badFileDescriptor) {
            try await mount.fileSystem.allocate(reader, mode: [], offset: 0, length: 1)
        }
        #expect(mount.fileSystem.seekNow(reader, from: 0, to: .data) == .failure(.noSuchAddressOrDevice))
        try await mount.close(reader)
    }

    /// Where a stored file's holes were is not known any more: all of it is data, with the hole that every file has at its end.
    @Test func aStoredFileIsAllData() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", Array("abc\0\0\0".utf8))
        let mount = bucket.mount()
        let handle = try await mount.open("a")
        #expect(mount.fileSystem.seekNow(handle, from: 4, to: .data) == .success(4))
        #expect(mount.fileSystem.seekNow(handle, from: 4, to: .hole) == .success(6))
        #expect(mount.fileSystem.seekNow(handle, from: 6, to: .hole) == .failure(.noSuchAddressOrDevice))
        try await mount.close(handle)
    }

    @Test func anUnlinkedOpenFileHasNoLinks() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let handle = try await mount.open("a", [.readWrite, .create])
        try await mount.at("a") { node throws(Errno) in
            let before = try await mount.fileSystem.attributes(of: node, handle: handle).0
            #expect(before.links == 1)
            try await mount.unlink("a")
            let after = try await mount.fileSystem.attributes(of: node, handle: handle).0
            #expect(after.links == 0)
        }
        try await mount.close(handle)
    }
}
