import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// Access control lists: their form, and what they and permission bits do to each other.
@Suite(.timeLimit(.minutes(15))) struct AccessControlListTests {
    /// A list in Linux's form of the given tags, permissions and ids.
    static func value(_ entries: [(tag: UInt8, permissions: UInt8, id: UInt8?)]) -> [UInt8] {
        [2, 0, 0, 0]
            + entries.flatMap { entry -> [UInt8] in
                let id: [UInt8] = entry.id.map { [$0, 0, 0, 0] } ?? [255, 255, 255, 255]
                return [entry.tag, 0, entry.permissions, 0] + id
            }
    }

    static let minimal = value([(1, 6, nil), (4, 4, nil), (32, 0, nil)])
    static let named = value([(1, 7, nil), (2, 4, 44), (4, 5, nil), (16, 6, nil), (32, 1, nil)])

    @Test func listsAreReadAndWritten() throws {
        let list = try #require(AccessControlList(Self.named))
        #expect(list.value == Self.named)
        #expect(list.permissions == 0o761 && !list.isMinimal)
        #expect(list.entries[1] == .init(tag: .user, permissions: 4, id: 44))
        #expect(AccessControlList(Self.minimal)?.permissions == 0o640)
        #expect(AccessControlList(Self.minimal)?.isMinimal == true)
        #expect(AccessControlList([2, 0, 0, 0])?.entries == [])
    }

    @Test(arguments: [
        [], [2, 0, 0], [3, 0, 0, 0], Array(named.dropLast()),
        // No owner; named users without a mask; two masks; bits that are no permissions; an unknown tag; out of order.
        value([(4, 4, nil), (32, 0, nil)]), value([(1, 7, nil), (2, 4, 44), (4, 5, nil), (32, 1, nil)]),
        value([(1, 7, nil), (4, 5, nil), (16, 1, nil), (16, 1, nil), (32, 1, nil)]),
        value([(1, 8, nil), (4, 4, nil), (32, 0, nil)]), value([(1, 7, nil), (3, 4, nil), (4, 4, nil), (32, 0, nil)]),
        value([(4, 4, nil), (1, 6, nil), (32, 0, nil)]),
    ])
    func whatIsNoListIsRefused(value: [UInt8]) async throws {
        #expect(AccessControlList(value) == nil)
        let mount = TestBucket().mount()
        try await mount.put("a", "text")
        await #expect(throws: Errno.invalidArgument) { try await set(mount, "a", AccessControlList.access, value) }
    }

    @Test func aListAndTheModeFollowEachOther() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.put("a", "text")
        try await set(mount, "a", AccessControlList.access, Self.named)
        #expect(try await mount.stat("a").permissions == 0o761)
        // What the group's bits say is the mask then; the group's own entry stays.
        try await mount.chmod("a", 0o4610)
        let changed = Self.value([(1, 6, nil), (2, 4, 44), (4, 5, nil), (16, 1, nil), (32, 0, nil)])
        #expect(try await get(mount, "a", AccessControlList.access) == changed)
        #expect(try await mount.stat("a").permissions == 0o4610)
        bucket.clock.advance(seconds: 5)
        #expect(try await get(bucket.mount(), "a", AccessControlList.access) == changed)
        // A list of permission bits alone is none.
        try await set(mount, "a", AccessControlList.access, Self.minimal)
        #expect(try await mount.stat("a").permissions == 0o4640)
        await #expect(throws: Errno.noData) { try await get(mount, "a", AccessControlList.access) }
        await #expect(throws: Errno.permissionDenied) {
            try await set(mount, "a", AccessControlList.inherited, Self.named)
        }
    }

    @Test func whatIsMadeInADirectoryHasItsDefaultList() async throws {
        let mount = TestBucket().mount()
        try await mount.mkdir("d", 0o777)
        #expect(try await mount.stat("d").permissions == 0o755)
        try await set(mount, "d", AccessControlList.inherited, Self.named)
        let handle = try await mount.open("d/a", [.writeOnly, .create], permissions: 0o666)
        try await mount.close(handle)
        // Not the umask, but the permissions asked for, take bits out of it.
        #expect(try await mount.stat("d/a").permissions == 0o660)
        let file = Self.value([(1, 6, nil), (2, 4, 44), (4, 5, nil), (16, 6, nil), (32, 0, nil)])
        #expect(try await get(mount, "d/a", AccessControlList.access) == file)
        try await mount.mkdir("d/e", 0o777)
        #expect(try await get(mount, "d/e", AccessControlList.inherited) == Self.named)
        #expect(try await get(mount, "d/e", AccessControlList.access) == Self.named)
        try await set(mount, "d", AccessControlList.inherited, [2, 0, 0, 0])
        try await mount.put("d/b", "text")
        #expect(try await mount.stat("d/b").permissions == 0o644)
    }

    private func set(_ mount: TestMount, _ path: String, _ name: String, _ value: [UInt8]) async throws(Errno) {
        try await mount.at(path) { node throws(Errno) in
            try await mount.fileSystem.setExtendedAttribute(
                name, of: node, to: value, mustCreate: false, mustReplace: false, by: mount.caller)
        }
    }

    private func get(_ mount: TestMount, _ path: String, _ name: String) async throws(Errno) -> [UInt8] {
        try await mount.at(path) { node throws(Errno) in
            try await mount.fileSystem.extendedAttribute(name, of: node)
        }
    }
}
