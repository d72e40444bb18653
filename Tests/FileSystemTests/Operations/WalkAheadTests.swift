import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// What is asked for ahead of a walker: worth its requests, and never another answer than without.
@Suite(.timeLimit(.minutes(5))) struct WalkAheadTests {
    /// A directory as a walker sees it.
    struct Seen: Equatable {
        var names: [String] = []
        var sizes: [String: Int64] = [:]
    }

    /// find(1): each directory is listed, its entries are looked up, and then the directories in turn.
    private func walk(
        _ mount: TestMount, _ node: NodeID = .root, _ path: String = "", held: inout [NodeID],
        _ visit: (String) async throws -> Void = { _ in }
    ) async throws -> [String: Seen] {
        try await visit(path)
        let handle = try await mount.fileSystem.openDirectory(node)
        defer { mount.fileSystem.releaseDirectory(handle) }
        var seen = Seen()
        var cookie: UInt64 = 0
        while true {
            var count = 0
            let answer = mount.fileSystem.readDirectoryNow(handle, from: cookie, plus: false) { item in
                cookie = item.next
                count += 1
                if item.name != ".", item.name != ".." { seen.names.append(item.name) }
                return true
            }
            guard let answer else {
                try await mount.fileSystem.prepareDirectory(handle, from: cookie)
                continue
            }
            try answer.get()
            if count == 0 { break }
        }
        var found: [String: Seen] = [:]
        var directories: [(NodeID, String)] = []
        for name in seen.names {
            let entry: Entry
            do throws(Errno) { entry = try await mount.lookup(name, in: node) } catch { continue }
            held.append(entry.node)
            seen.sizes[name] = entry.attributes.type == .directory ? -1 : entry.attributes.size
            if entry.attributes.type == .directory { directories.append((entry.node, path + name + "/")) }
        }
        found[path] = seen
        for (node, path) in directories {
            found.merge(try await walk(mount, node, path, held: &held, visit)) { first, _ in first }
        }
        return found
    }

    private func walk(_ mount: TestMount, _ visit: (String) async throws -> Void = { _ in }) async throws -> [String:
        Seen]
    {
        var held: [NodeID] = []
        defer { for node in held.reversed() { mount.fileSystem.forget(node, lookups: 1) } }
        return try await walk(mount, held: &held, visit)
    }

    private func bucket(_ directories: Int = 30, _ files: Int = 20) -> TestBucket {
        let bucket = TestBucket()
        for directory in 0..<directories {
            for file in 0..<files {
                bucket.store.insert(ObjectKey("d\(100 + directory)/f\(100 + file)"), Array(repeating: 1, count: file))
            }
        }
        return bucket
    }

    // MARK: Requests

    @Test func aWalkIsAFewListings() async throws {
        let bucket = bucket()
        let slow = SlowStore(bucket.store, latency: .milliseconds(10))
        let mount = bucket.mount(through: slow)
        let found = try await walk(mount)
        #expect(found.count == 31)
        #expect(found["d117/"]?.names == (0..<20).map { "f\(100 + $0)" })
        #expect(found["d117/"]?.sizes["f107"] == 7)
        #expect(bucket.store.log.count(.list) < 15, "\(bucket.requests())")
        // 600 files and 30 directories' markers.
        #expect(bucket.store.log.count(.head) <= 640, "\(bucket.requests())")
        #expect(slow.mostUnderWay >= 64)
    }

    @Test func turnedOffItIsAListingADirectory() async throws {
        let bucket = bucket()
        let mount = bucket.mount { $0.walksAhead = false }
        #expect(try await walk(mount).count == 31)
        #expect(bucket.store.log.count(.list) >= 31)
    }

    @Test func withAttributesFromListingsThereAreNoHeads() async throws {
        let bucket = bucket()
        let mount = bucket.mount { $0.attributes = .listing }
        let found = try await walk(mount)
        #expect(found.count == 31)
        #expect(found["d117/"]?.sizes["f107"] == 7)
        #expect(bucket.store.log.count(.list) < 15, "\(bucket.requests())")
        #expect(bucket.store.log.count(.head) <= 1)
    }

    @Test func whoOpensDirectoriesAtRandomPaysForNoOther() async throws {
        let bucket = bucket()
        let mount = bucket.mount()
        _ = try await mount.list("")
        bucket.store.log.reset()
        for name in ["d117", "d103", "d125", "d101"] { #expect(try await mount.list(name).count == 20) }
        #expect(bucket.store.log.count(.list) == 4)
    }

    // MARK: The same answers

    @Test(arguments: 0..<24 as Range<UInt64>) func anyTreeIsSeenAsWithout(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        var options: InMemoryStore.Options = seed % 3 == 0 ? .seaweedFS : .s3
        options.pageLimit = [3, 20, 1000][Int(seed % 3)]
        let bucket = TestBucket(options)
        for key in SubtreeListingTests.tree(&random, 150) {
            let key = seed % 2 == 0 ? String(key.string.dropFirst(2)) : key.string
            if key.isEmpty || key.hasPrefix("/") { continue }
            bucket.store.insert(
                ObjectKey(key), key.hasSuffix("/") ? [] : Array(repeating: 1, count: key.utf8.count % 7))
        }
        bucket.store.insert(".pail/x/y", [1])
        bucket.store.insert("m/.pail/y", [1])
        let wanted = try await walk(bucket.mount { $0.walksAhead = false })
        let slow = SlowStore(bucket.store, latency: .milliseconds(1))
        for attributes in [AttributeSource.stored, .listing] {
            let found = try await walk(bucket.mount(through: slow) { $0.attributes = attributes })
            #expect(Set(found.keys) == Set(wanted.keys), "seed \(seed)")
            for (path, seen) in wanted {
                #expect(found[path]?.names == seen.names, "seed \(seed), \(path)")
                if case .stored = attributes { #expect(found[path]?.sizes == seen.sizes, "seed \(seed), \(path)") }
            }
        }
    }

    /// Another client changes what lies ahead; a second and more later the walker comes by.
    @Test(arguments: [AttributeSource.stored, .listing]) func anotherHostsChangesAreSeen(attributes: AttributeSource)
        async throws
    {
        let bucket = bucket()
        let mount = bucket.mount(through: SlowStore(bucket.store, latency: .milliseconds(1))) {
            $0.attributes = attributes
        }
        var isChanged = false
        let found = try await walk(mount) { path in
            guard path == "d110/", !isChanged else { return }
            isChanged = true
            // What is to come is here by now.
            while mount.fileSystem.walk.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
            try await Task.sleep(for: .milliseconds(100))
            bucket.store.remove("d115/f105")
            bucket.store.insert("d115/f199", [1])
            bucket.store.insert("d115/f106", Array(repeating: 2, count: 1000))
            bucket.store.insert("d115/sub/x", [1])
            for file in 0..<20 { bucket.store.remove(ObjectKey("d116/f\(100 + file)")) }
            bucket.clock.advance(seconds: 2)
        }
        #expect(isChanged)
        #expect(found["d115/"]?.names.contains("f105") == false)
        #expect(found["d115/"]?.sizes["f199"] == 1)
        #expect(found["d115/"]?.sizes["f106"] == 1000)
        #expect(found["d115/sub/"]?.names == ["x"])
        #expect(found["d116/"]?.names ?? [] == [])
    }

    /// What this mount itself changes ahead of the walker is seen at once, whatever is under way.
    @Test(arguments: 0..<12 as Range<UInt64>) func ownChangesAreSeenAtOnce(seed: UInt64) async throws {
        let bucket = bucket(20, 8)
        let slow = SlowStore(bucket.store) { request in
            .milliseconds(request.operation == .list ? 4 : request.operation == .head ? 2 : 1)
        }
        let mount = bucket.mount(through: slow)
        var random = SplitMix64(seed: seed)
        let found = try await walk(mount) { path in
            guard !path.isEmpty else { return }
            for _ in 0..<2 {
                let directory = "d\(100 + Int.random(in: 0..<20, using: &random))"
                let file = directory + "/f\(100 + Int.random(in: 0..<8, using: &random))"
                do throws(Errno) {
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: try await mount.unlink(file)
                    case 1: try await mount.put(file, "written here")
                    case 2: try await mount.mkdir(directory + "/sub")
                    default: try await mount.rename(file, to: directory + "/g\(Int.random(in: 0..<99, using: &random))")
                    }
                } catch { #expect(error == .noSuchFileOrDirectory || error == .fileExists, "seed \(seed)") }
            }
            // What the walker is about to see is what the bucket holds.
            let page = try await bucket.store.list(ListRequest(prefix: path, delimiter: "/"))
            let names =
                page.objects.filter { $0.key.string != path }.map { String($0.key.string.dropFirst(path.count)) }
                + page.commonPrefixes.map { String($0.dropFirst(path.count).dropLast()) }
            let shown = try await mount.list(String(path.dropLast()))
            #expect(Set(shown) == Set(names), "seed \(seed), \(path)")
            for object in page.objects where object.key.string != path {
                #expect(try await mount.stat(object.key.string).size == object.size, "seed \(seed), \(object.key)")
            }
        }
        #expect(found.count >= 21)
    }

    @Test func aStoreThatFailsIsAskedByTheWalkerHimself() async throws {
        let bucket = bucket(12, 5)
        let faulty = FaultyStore(
            SlowStore(bucket.store, latency: .milliseconds(1)),
            plan: SeededFaults(seed: 3, probability: 0.05, faults: [.before(.serverError)]))
        let mount = bucket.mount(through: faulty)
        var whole = false
        for _ in 0..<200 where !whole {
            if let found = try? await walk(mount) {
                whole = found.count == 13 && found.values.allSatisfy { $0.names.count == $0.sizes.count }
            }
        }
        #expect(whole)
    }
}
