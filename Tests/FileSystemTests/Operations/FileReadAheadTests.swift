import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// Files fetched ahead of their reader: never stale, never mixed, and worth their requests.
@Suite(.timeLimit(.minutes(15))) struct FileReadAheadTests {
    private static func name(_ index: Int) -> String { "f\(1000 + index)" }
    private static func content(_ index: Int) -> String { "content of \(1000 + index)" }

    private func bucket(_ count: Int) -> TestBucket {
        let bucket = TestBucket()
        for index in 0..<count {
            bucket.store.insert(ObjectKey(Self.name(index)), Array(Self.content(index).utf8))
        }
        return bucket
    }

    /// Waits until so many files were fetched.
    private func arrival(of count: Int, in mount: TestMount) async throws {
        while mount.fileSystem.fetched.waiting < count { try await Task.sleep(for: .milliseconds(1)) }
    }

    /// A mount whose reader has read files 0 and 1, so that 2 to 5 were fetched.
    private func readTwo(
        of bucket: TestBucket, through store: (any ObjectStore)? = nil, fetched: Int = 4,
        _ change: (inout FileSystemOptions) -> Void = { _ in }
    ) async throws -> TestMount {
        let mount = bucket.mount(through: store, change)
        _ = try await mount.list("")
        for index in 0..<2 { #expect(try await mount.text(Self.name(index)) == Self.content(index)) }
        try await arrival(of: fetched, in: mount)
        return mount
    }

    // MARK: Requests

    @Test func aWalkIsOneGetAFile() async throws {
        let bucket = bucket(200)
        let slow = SlowStore(bucket.store, latency: .milliseconds(5))
        let mount = bucket.mount(through: slow)
        #expect(try await mount.list("").count == 200)
        for index in 0..<200 { #expect(try await mount.text(Self.name(index)) == Self.content(index)) }
        #expect(bucket.requests() == ["ListObjectsV2": 1, "HeadObject": 1, "GetObject": 200])
        #expect(slow.mostUnderWay >= FileWalk.largestWindow / 4)
        #expect(mount.fileSystem.fetched.isEmpty)
        #expect(mount.fileSystem.fetched.room == Int64(mount.fileSystem.budget.limit / 8))
    }

    @Test func turnedOffItIsAHeadAndAGetAFile() async throws {
        let bucket = bucket(50)
        let mount = bucket.mount { $0.readsFilesAhead = false }
        _ = try await mount.list("")
        for index in 0..<50 { #expect(try await mount.text(Self.name(index)) == Self.content(index)) }
        #expect(bucket.requests() == ["ListObjectsV2": 1, "HeadObject": 50, "GetObject": 50])
    }

    @Test func severalReadersFetchNothingTwice() async throws {
        let bucket = bucket(400)
        let mount = bucket.mount(through: SlowStore(bucket.store, latency: .milliseconds(5)))
        _ = try await mount.list("")
        try await withThrowingTaskGroup(of: Void.self) { group in
            var next = 0
            func start() {
                guard next < 400 else { return }
                let index = next
                next += 1
                group.addTask {
                    let text = try await mount.text(Self.name(index))
                    #expect(text == Self.content(index))
                }
            }
            for _ in 0..<16 { start() }
            while try await group.next() != nil { start() }
        }
        #expect(bucket.store.log.count(.get) == 400)
        #expect(bucket.store.log.count(.head) <= 400)
    }

    @Test func aRandomReaderPaysForNoOther() async throws {
        let bucket = bucket(200)
        let mount = bucket.mount()
        _ = try await mount.list("")
        for index in [17, 150, 3, 99, 42, 180, 60] {
            #expect(try await mount.text(Self.name(index)) == Self.content(index))
        }
        #expect(bucket.requests() == ["ListObjectsV2": 1, "HeadObject": 7, "GetObject": 7])
    }

    /// `ls -l` costs a request an entry, whether somebody has read the first file or not.
    @Test func aListingAfterAReadCostsNoMore() async throws {
        let bucket = bucket(300)
        let mount = bucket.mount()
        _ = try await mount.list("")
        _ = try await mount.text(Self.name(0))
        for index in 1..<300 {
            #expect(try await mount.stat(Self.name(index)).size == Int64(Self.content(0).utf8.count))
        }
        #expect(bucket.store.log.count(.get) <= 1 + 3)
        #expect(bucket.store.log.count(.get) + bucket.store.log.count(.head) == 301)
    }

    /// `ls -l; cat *`: the attributes are known, the bytes are fetched ahead.
    @Test func filesWhoseAttributesAreKnownAreOneGetAsWell() async throws {
        let bucket = bucket(100)
        let slow = SlowStore(bucket.store, latency: .milliseconds(5))
        let mount = bucket.mount(through: slow)
        _ = try await mount.list("")
        var held: [NodeID] = []
        for index in 0..<100 { held.append(try await mount.lookup(Self.name(index), in: .root).node) }
        bucket.store.log.reset()
        for index in 0..<100 { #expect(try await mount.text(Self.name(index)) == Self.content(index)) }
        #expect(bucket.requests() == ["GetObject": 100])
        #expect(slow.mostUnderWay > 8)
        for node in held { mount.fileSystem.forget(node, lookups: 1) }
    }

    @Test func aReaderWhoStopsWastesAtMostTheWindow() async throws {
        let bucket = bucket(400)
        let mount = bucket.mount()
        _ = try await mount.list("")
        for index in 0..<100 { _ = try await mount.text(Self.name(index)) }
        // Until nothing is under way any more.
        while mount.fileSystem.fetched.waiting + 100 < bucket.store.log.count(.get) {
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(bucket.store.log.count(.get) <= 100 + FileWalk.largestWindow)
        bucket.clock.advance(seconds: Int64(FetchedFiles.lifetime) + 1)
        #expect(mount.fileSystem.fetched.room > 0)
        #expect(mount.fileSystem.fetched.isEmpty, "what nobody reads is given back")
    }

    // MARK: What others change

    @Test(arguments: ["CONTENT OF 1002", "longer than it was before", "", "s"])
    func anotherHostsVersionIsSeen(text: String) async throws {
        let bucket = bucket(10)
        let mount = try await readTwo(of: bucket)
        bucket.store.insert(ObjectKey(Self.name(2)), Array(text.utf8))
        bucket.clock.advance(seconds: 2)
        #expect(try await mount.text(Self.name(2)) == text)
        #expect(try await mount.stat(Self.name(2)).size == Int64(text.utf8.count))
    }

    /// Within the timeout the old version may be seen: all of it, and without asking.
    @Test func withinTheTimeoutTheFetchedVersionIsWhole() async throws {
        let bucket = bucket(10)
        let mount = try await readTwo(of: bucket)
        bucket.store.insert(ObjectKey(Self.name(2)), Array("a new version, and longer".utf8))
        #expect(try await mount.text(Self.name(2)) == Self.content(2))
    }

    @Test func withoutATimeoutEveryOpenAsks() async throws {
        let bucket = bucket(10)
        let mount = try await readTwo(of: bucket) { $0.attributeTimeout = 0 }
        bucket.clock.advance(seconds: 1)
        bucket.store.insert(ObjectKey(Self.name(2)), Array("CONTENT OF 1002".utf8))
        #expect(try await mount.text(Self.name(2)) == "CONTENT OF 1002")
        // Its bytes are still those of its ETag: no GET.
        bucket.store.log.reset()
        #expect(try await mount.text(Self.name(3)) == Self.content(3))
        #expect(bucket.store.log.requests.filter { $0.key == ObjectKey(Self.name(3)) }.map(\.operation) == [.head])
    }

    @Test func anotherHostsRemovalIsSeen() async throws {
        let bucket = bucket(10)
        let mount = try await readTwo(of: bucket)
        bucket.store.remove(ObjectKey(Self.name(2)))
        bucket.clock.advance(seconds: 2)
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.text(Self.name(2)) }
    }

    /// Replaced between the listing and the fetch.
    @Test(arguments: [false, true]) func theListingsVersionIsNotTakenForThePresentOne(ignoresConditions: Bool)
        async throws
    {
        let bucket = bucket(10)
        let blind = ConditionBlindStore(bucket.store, blind: [.conditionalReads])
        let mount = bucket.mount(through: ignoresConditions ? blind : nil)
        _ = try await mount.list("")
        for index in 2..<10 {
            bucket.store.insert(ObjectKey(Self.name(index)), Array("CONTENT OF \(1000 + index)".utf8))
        }
        for index in 0..<2 { #expect(try await mount.text(Self.name(index)) == Self.content(index)) }
        for index in 2..<10 { #expect(try await mount.text(Self.name(index)) == "CONTENT OF \(1000 + index)") }
    }

    // MARK: What this mount changes

    @Test func whatIsWrittenHereIsRead() async throws {
        let bucket = bucket(10)
        let mount = try await readTwo(of: bucket)
        try await mount.put(Self.name(2), "CONTENT OF 1002")
        #expect(!mount.fileSystem.fetched.has(version(2, of: bucket, Self.content(2))))
        #expect(try await mount.text(Self.name(2)) == "CONTENT OF 1002")
        let handle = try await mount.open(Self.name(3), [.readWrite])
        try await mount.write(handle, "CON")
        #expect(try await mount.read(handle) == "CONtent of 1003")
        try await mount.close(handle)
        #expect(try await mount.text(Self.name(3)) == "CONtent of 1003")
        #expect(!mount.fileSystem.fetched.has(version(3, of: bucket, Self.content(3))))
    }

    private func version(_ index: Int, of bucket: TestBucket, _ text: String) -> ObjectVersion {
        let other = InMemoryStore()
        other.insert("x", Array(text.utf8))
        return ObjectVersion(
            key: ObjectKey(Self.name(index)), etag: other.info(of: "x")?.etag, size: Int64(text.utf8.count))
    }

    @Test func renamesAreFollowed() async throws {
        let bucket = bucket(10)
        let mount = try await readTwo(of: bucket)
        #expect(mount.fileSystem.fetched.has(version(2, of: bucket, Self.content(2))))
        try await mount.rename(Self.name(2), to: Self.name(3))
        for index in 2...3 {
            #expect(!mount.fileSystem.fetched.has(version(index, of: bucket, Self.content(index))))
        }
        #expect(try await mount.text(Self.name(3)) == Self.content(2))
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.text(Self.name(2)) }
    }

    @Test func removalsAreFollowed() async throws {
        let bucket = bucket(10)
        let mount = try await readTwo(of: bucket)
        try await mount.unlink(Self.name(2))
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.text(Self.name(2)) }
        try await mount.put(Self.name(2), "again")
        #expect(try await mount.text(Self.name(2)) == "again")
    }

    /// A fetch that is on its way when the file is written brings nothing.
    @Test func aWriteOvertakesAFetchUnderWay() async throws {
        let bucket = bucket(10)
        let slow = SlowStore(bucket.store) { request in
            request.operation == .get && request.key == ObjectKey(Self.name(2)) ? .milliseconds(100) : .zero
        }
        let mount = try await readTwo(of: bucket, through: slow, fetched: 1)
        try await mount.put(Self.name(2), "CONTENT OF 1002")
        #expect(try await mount.text(Self.name(2)) == "CONTENT OF 1002")
        while slow.underWay > 0 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(try await mount.text(Self.name(2)) == "CONTENT OF 1002")
    }

    // MARK: Failures and memory

    @Test(arguments: [
        Fault.before(.throttled), Fault.before(.accessDenied), Fault.before(.unreachable),
        Fault.cut(after: 3, .unreachable),
    ])
    func aFetchThatFailsIsSilent(fault: Fault) async throws {
        let bucket = bucket(10)
        let faulty = FaultyStore(bucket.store, [.init(fault, on: .get, key: ObjectKey(Self.name(2)))])
        let mount = try await readTwo(of: bucket, through: faulty, fetched: 1)
        for index in 2..<10 { #expect(try await mount.text(Self.name(index)) == Self.content(index)) }
        #expect(faulty.injected.count == 1)
        #expect(mount.fileSystem.budget.used <= mount.fileSystem.budget.limit / 8)
    }

    @Test func othersGetTheMemoryFirst() async throws {
        let bucket = bucket(10)
        let mount = try await readTwo(of: bucket)
        let budget = mount.fileSystem.budget
        let metadata = mount.fileSystem.metadata.now.total
        // All that is there, what was fetched included, but for the metadata.
        let wanted = budget.limit - (metadata + MetadataUse.step) / MetadataUse.step * MetadataUse.step
        #expect(budget.tryReserve(wanted))
        #expect(mount.fileSystem.fetched.isEmpty)
        #expect(mount.fileSystem.fetched.room == 0)
        // Attributes are still fetched, bytes are not.
        bucket.store.log.reset()
        #expect(try await mount.stat(Self.name(8)).size > 0)
        #expect(bucket.store.log.count(.get) == 0)
        budget.release(wanted)
        for index in 2..<10 { #expect(try await mount.text(Self.name(index)) == Self.content(index)) }
        #expect(budget.peak <= budget.limit)
    }

    /// Large enough that only a few fit into an eighth of the budget.
    @Test func theWindowIsBoundedByBytes() async throws {
        let bucket = TestBucket()
        let texts = (0..<40).map { String(repeating: "\($0 % 10)", count: 300_000) }
        for (index, text) in texts.enumerated() { bucket.store.insert(ObjectKey(Self.name(index)), Array(text.utf8)) }
        let slow = SlowStore(bucket.store, latency: .milliseconds(2))
        let mount = bucket.mount(through: slow)
        _ = try await mount.list("")
        for (index, text) in texts.enumerated() { #expect(try await mount.text(Self.name(index)) == text) }
        #expect(bucket.store.log.count(.get) == 40)
        // 1 MiB of fetched files, and the one that is read.
        #expect(mount.fileSystem.budget.peak <= (1 << 20) + 2 * 300_000 + 2 * MetadataUse.step)
    }

    // MARK: All at once

    /// A reader in listing order, while files are replaced, removed and made elsewhere and here: what he reads is a version that
    /// the file has had within the attribute timeout, whole.
    @Test(arguments: 1...40) func noReaderSeesAnOldVersion(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        let bucket = bucket(0)
        let mount = bucket.mount(through: SlowStore(bucket.store, latency: .microseconds(200)))
        /// What each name held, from when on; nil for nothing.
        var history: [String: [(since: Timestamp, text: String?)]] = [:]
        func note(_ name: String, _ text: String?) {
            history[name, default: []].append((bucket.clock.now, text))
        }
        func make(_ version: Int) -> String { String(repeating: "\(version);", count: version % 3 == 0 ? 4 : 5) }
        let names = (0..<24).map(Self.name)
        for (index, name) in names.enumerated() {
            bucket.store.insert(ObjectKey(name), Array(make(index).utf8))
            note(name, make(index))
        }
        var next = 0
        for step in 100..<500 {
            let name = names[Int.random(in: 0..<24, using: &random)]
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<6:
                bucket.store.insert(ObjectKey(name), Array(make(step).utf8))
                note(name, make(step))
            case 6..<8:
                bucket.store.remove(ObjectKey(name))
                note(name, nil)
            case 8..<12:
                do throws(Errno) {
                    try await mount.put(name, make(step))
                    // One's own write is seen at once.
                    history[name] = [(Timestamp(seconds: 0), make(step))]
                } catch {
                    // Opened for writing as the version that is gone: the open is made anew.
                    #expect(error == .staleNFSFileHandle, "seed \(seed), step \(step)")
                }
            case 12..<16: bucket.clock.advance(seconds: Int64.random(in: 0...2, using: &random))
            case 16..<19: _ = try await mount.list("")
            case 19..<22: next = Int.random(in: 0..<24, using: &random)
            case 22..<26: _ = try? await mount.stat(name)
            default:
                let name = names[next % 24]
                next += 1
                var text: String?
                do throws(Errno) { text = try await mount.text(name) } catch {
                    // Gone between its lookup and its read: then no version is seen.
                    guard error == .noSuchFileOrDirectory || error == .staleNFSFileHandle else { throw error }
                    if error == .staleNFSFileHandle { continue }
                }
                let now = bucket.clock.now.seconds
                let versions = history[name] ?? []
                var allowed: [String?] = []
                for (index, version) in versions.enumerated() {
                    let until = index + 1 < versions.count ? versions[index + 1].since.seconds : Int64.max
                    if until >= now - 1 { allowed.append(version.text) }
                }
                #expect(allowed.contains(text), "seed \(seed), step \(step): \(name) was \(text ?? "gone")")
            }
        }
    }
}
