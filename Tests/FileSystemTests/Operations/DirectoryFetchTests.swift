import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// A store that lists from the beginning whatever `start-after` says.
private struct StartBlindStore: ForwardingStore {
    let base: any ObjectStore

    func list(_ request: ListRequest) async throws(StoreError) -> ListPage {
        var request = request
        request.startAfter = nil
        return try await base.list(request)
    }
}

/// Large directories, listed by several streams: as one stream lists them, and sooner.
@Suite(.timeLimit(.minutes(5))) struct DirectoryFetchTests {
    private static func name(_ index: Int) -> String { "entry-\(100_000 + index)" }

    private func bucket(_ count: Int, pageLimit: Int = 50) -> TestBucket {
        var options = InMemoryStore.Options.s3
        options.pageLimit = pageLimit
        let bucket = TestBucket(options)
        for index in 0..<count { bucket.store.insert(ObjectKey("d/" + Self.name(index)), [1]) }
        return bucket
    }

    @Test func severalPagesAreAskedForAtOnce() async throws {
        let bucket = bucket(5000)
        let slow = SlowStore(bucket.store, latency: .milliseconds(5))
        let mount = bucket.mount(through: slow) { $0.memoryLimit = 256 << 20 }
        try await mount.at("d") { node throws(Errno) in
            #expect(try await mount.list("d") == (0..<5000).map(Self.name))
            #expect(slow.mostUnderWay >= 6)
            #expect(bucket.store.log.count(.list) < 160, "of a hundred pages")
            // What the pages told is known: of what is there and of what is not.
            bucket.store.log.reset()
            for index in stride(from: 0, to: 5000, by: 7) {
                await #expect(throws: Errno.noSuchFileOrDirectory) {
                    try await mount.lookup(Self.name(index) + "x", in: node)
                }
            }
        }
        #expect(bucket.store.log.count(.list) == 0)
        #expect(mount.fileSystem.metadata.now.names > 0)
    }

    @Test func turnedOffItIsOnePageBehindTheOther() async throws {
        let bucket = bucket(1000)
        let slow = SlowStore(bucket.store, latency: .milliseconds(2))
        let mount = bucket.mount(through: slow) { $0.listStreams = 1 }
        #expect(try await mount.list("d") == (0..<1000).map(Self.name))
        #expect(slow.mostUnderWay <= 2, "the LIST of a lookup goes beside its HEAD")
        #expect(bucket.store.log.count(.list) <= 22)
    }

    @Test func aStoreThatIgnoresTheStartIsFoundOut() async throws {
        let bucket = bucket(2000)
        let mount = bucket.mount(through: StartBlindStore(base: bucket.store))
        #expect(try await mount.list("d") == (0..<2000).map(Self.name))
        #expect(mount.fileSystem.listStreams == 1)
        bucket.clock.advance(seconds: 5)
        bucket.store.log.reset()
        #expect(try await mount.list("d").count == 2000)
        #expect(bucket.store.log.count(.list) <= 42, "one chain of forty pages, and a lookup's")
    }

    /// What this mount makes and removes while the pages are on their way is neither lost nor shown again.
    @Test(arguments: 0..<6 as Range<UInt64>) func ownChangesMeanwhileAreRight(seed: UInt64) async throws {
        let bucket = bucket(3000)
        let slow = SlowStore(bucket.store) { request in
            request.operation == .list ? .milliseconds(Int(request.key.string.utf8.count) + 2) : .zero
        }
        let mount = bucket.mount(through: slow) { $0.memoryLimit = 256 << 20 }
        async let listing = mount.list("d")
        var random = SplitMix64(seed: seed)
        var removed: Set<String> = []
        var made: Set<String> = []
        for _ in 0..<60 {
            let index = Int.random(in: 0..<3000, using: &random)
            if Bool.random(using: &random) {
                if removed.insert(Self.name(index)).inserted { try await mount.unlink("d/" + Self.name(index)) }
            } else {
                made.insert(Self.name(index) + "+")
                try await mount.put("d/" + Self.name(index) + "+", "new")
            }
        }
        let found = try await listing
        #expect(Set(found).count == found.count, "a name was given twice")
        let stay = Set((0..<3000).map(Self.name)).subtracting(removed)
        #expect(stay.subtracting(found).isEmpty, "a name was left out")
        for name in removed {
            await #expect(throws: Errno.noSuchFileOrDirectory, "\(name)") { try await mount.stat("d/" + name) }
        }
        for name in made { #expect(try await mount.stat("d/" + name).size == 3, "\(name)") }
        let wanted = stay.union(made)
        #expect(try await Set(mount.list("d")) == wanted)
        bucket.clock.advance(seconds: 5)
        #expect(try await Set(mount.list("d")) == wanted)
    }

    @Test func aRequestThatFailsIsAskedAgain() async throws {
        let bucket = bucket(3000)
        let faulty = FaultyStore(
            bucket.store, plan: SeededFaults(seed: 7, probability: 0.2, faults: [.before(.serverError)]))
        let mount = bucket.mount(through: faulty) { $0.memoryLimit = 256 << 20 }
        var found: [String] = []
        var looked: Entry?
        while looked == nil { looked = try? await mount.lookup("d", in: .root) }
        let entry = try #require(looked)
        defer { mount.fileSystem.forget(entry.node, lookups: 1) }
        let handle = try await mount.fileSystem.openDirectory(entry.node)
        defer { mount.fileSystem.releaseDirectory(handle) }
        var cookie: UInt64 = 0
        var failures = 0
        while failures < 1000 {
            var count = 0
            let answer = mount.fileSystem.readDirectoryNow(handle, from: cookie, plus: false) { item in
                cookie = item.next
                count += 1
                if item.name != ".", item.name != ".." { found.append(item.name) }
                return true
            }
            if answer != nil, count == 0 { break }
            guard answer == nil else { continue }
            do throws(Errno) { try await mount.fileSystem.prepareDirectory(handle, from: cookie) } catch {
                #expect(error == .ioError)
                failures += 1
            }
        }
        #expect(failures > 0)
        #expect(found == (0..<3000).map(Self.name))
    }

    @Test func aReaderWhoStopsCostsNoMore() async throws {
        let bucket = bucket(5000)
        let mount = bucket.mount { $0.memoryLimit = 256 << 20 }
        try await mount.at("d") { node throws(Errno) in
            let handle = try await mount.fileSystem.openDirectory(node)
            try await mount.fileSystem.prepareDirectory(handle, from: 0)
            var count = 0
            _ = mount.fileSystem.readDirectoryNow(handle, from: 0, plus: false) { _ in
                count += 1
                return count < 20
            }
            try? await Task.sleep(for: .milliseconds(50))
            mount.fileSystem.releaseDirectory(handle)
        }
        #expect(bucket.store.log.count(.list) <= 3, "the lookup's, the first page, the next one")
        #expect(mount.fileSystem.metadata.now.names < 100_000)
    }
}
