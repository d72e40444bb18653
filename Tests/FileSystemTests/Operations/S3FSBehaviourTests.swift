import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// What the file system does otherwise where its options ask for s3fs's ways.
@Suite(.timeLimit(.minutes(15))) struct S3FSBehaviourTests {
    @Test func aDeniedRequestIsNotPermitted() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", [1])
        let faulty = FaultyStore(bucket.store, [.init(.before(.accessDenied), times: 100)])
        let mount = bucket.mount(through: faulty) { $0.showsDeniedAsNotPermitted = true }
        await #expect(throws: Errno.notPermitted) { try await mount.stat("a") }
        let other = bucket.mount(through: faulty)
        await #expect(throws: Errno.permissionDenied) { try await other.stat("a") }
    }

    @Test(arguments: [StoreError.Kind.accessDenied, .invalidRequest])
    func aListedFileThatMayNotBeLookedAtHasTheMode0(kind: StoreError.Kind) async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", [1, 2, 3])
        let faulty = FaultyStore(bucket.store, [.init(.before(kind), on: .head, key: "a", times: 100)])
        let mount = bucket.mount(through: faulty) { $0.showsDeniedAsNotPermitted = true }
        #expect(try await mount.list("") == ["a"])
        let shown = try await mount.stat("a")
        #expect(shown.type == .regular && shown.permissions == 0 && shown.size == 3)
        // Without the option it is an error, as for a name that was not listed.
        let other = bucket.mount(through: faulty)
        #expect(try await other.list("") == ["a"])
        await #expect(throws: Errno.self) { try await other.stat("a") }
        // Another failure is an error all the same.
        let broken = FaultyStore(bucket.store, [.init(.before(.serverError), on: .head, key: "a", times: 100)])
        let third = bucket.mount(through: broken) { $0.showsDeniedAsNotPermitted = true }
        #expect(try await third.list("") == ["a"])
        await #expect(throws: Errno.ioError) { try await third.stat("a") }
    }

    @Test func withoutExtendedAttributesAllVerbsRefuse() async throws {
        let bucket = TestBucket()
        bucket.store.insert("a", [1])
        let mount = bucket.mount { $0.hasExtendedAttributes = false }
        try await mount.at("a") { node throws(Errno) in
            let fileSystem = mount.fileSystem
            await #expect(throws: Errno.notSupported) { try await fileSystem.extendedAttribute("user.a", of: node) }
            await #expect(throws: Errno.noData) {
                try await fileSystem.extendedAttribute("system.posix_acl_access", of: node)
            }
            await #expect(throws: Errno.notSupported) { try await fileSystem.extendedAttributeNames(of: node) }
            await #expect(throws: Errno.notSupported) {
                try await fileSystem.setExtendedAttribute(
                    "user.a", of: node, to: [1], mustCreate: false, mustReplace: false, by: mount.caller)
            }
            await #expect(throws: Errno.notSupported) {
                try await fileSystem.removeExtendedAttribute("user.a", of: node, by: mount.caller)
            }
        }
    }

    @Test func theSizeIsThatOfTheOptions() {
        let numbers = TestBucket().mount { $0.capacity = 1 << 40 }.fileSystem.statistics()
        #expect(numbers.blocks * numbers.blockSize == 1 << 40)
        #expect(numbers.freeBlocks == numbers.blocks)
    }
}
