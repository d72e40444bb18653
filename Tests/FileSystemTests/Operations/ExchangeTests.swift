import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import FileSystem

/// `RENAME_EXCHANGE`: what two names have changes places, and at no instant is a content under no key.
@Suite(.timeLimit(.minutes(15))) struct ExchangeTests {
    static let short = "short"
    static let long = String(repeating: "0123456789", count: 40)

    /// A bucket with a short file `a` and a long one `d/b`, in parts of 64 bytes.
    private func bucket(_ options: InMemoryStore.Options = .s3) async throws -> TestBucket {
        let bucket = TestBucket(options)
        let mount = bucket.mount { $0.partSize = 64 }
        try await mount.mkdir("d")
        try await mount.put("a", Self.short)
        try await mount.put("d/b", Self.long)
        try await mount.chmod("a", 0o600)
        bucket.store.log.reset()
        return bucket
    }

    private func contents(_ store: InMemoryStore) -> Set<String> {
        Set(store.allKeys.compactMap { store.content(of: $0).map { String(decoding: $0, as: UTF8.self) } })
    }

    private func asides(_ store: InMemoryStore) -> [ObjectKey] {
        store.allKeys.filter { $0.hasPrefix(".pail/exchange/") }
    }

    @Test(arguments: [false, true]) func twoStoredFiles(isReversed: Bool) async throws {
        let bucket = try await bucket()
        let mount = bucket.mount()
        let one = try await mount.stat("a")
        let other = try await mount.stat("d/b")
        bucket.clock.advance(seconds: 3)
        _ = try await (mount.stat("a"), mount.stat("d/b"))
        bucket.store.log.reset()
        try await mount.rename(isReversed ? "d/b" : "a", to: isReversed ? "a" : "d/b", .exchange)
        #expect(bucket.store.log.count(.copy) == 3 && bucket.store.log.count(.delete) == 1)
        #expect(bucket.store.log.counts.keys.allSatisfy { [.copy, .delete, .head, .list].contains($0) })
        #expect(bucket.text("a") == Self.long && bucket.text("d/b") == Self.short)
        #expect(bucket.store.allKeys == ["a", "d/", "d/b"])
        for mount in [mount, bucket.mount()] {
            #expect(try await mount.stat("a").permissions == other.permissions)
            #expect(try await mount.stat("d/b").permissions == 0o600)
            #expect(try await mount.stat("d/b").modificationTime == one.modificationTime)
            #expect(try await mount.text("a") == Self.long)
            #expect(try await mount.text("d/b") == Self.short)
            #expect(try await mount.list("") == ["a", "d"])
        }
    }

    /// Numbers, changes and open handles go with the file, not with the name.
    @Test func openHandlesFollowTheirFile() async throws {
        let bucket = try await bucket()
        let mount = bucket.mount()
        let numbers = (try await mount.lookup("a", in: .root), try await mount.open("d/b", [.readWrite]))
        let (held, long) = numbers
        let short = try await mount.open("a", [.readWrite])
        #expect(try await mount.read(long, at: 10, 20) == "01234567890123456789")
        try await mount.write(short, "X")
        try await mount.rename("a", to: "d/b", .exchange)
        #expect(try await mount.stat("d/b").inode == held.attributes.inode)
        #expect(try await mount.read(long, at: 380) == "01234567890123456789")
        #expect(try await mount.read(short) == "Xhort")
        try await mount.write(long, "Y", at: 0)
        try await mount.close(long)
        try await mount.write(short, "ABC", at: 5)
        try await mount.close(short)
        #expect(bucket.text("a") == "Y" + Self.long.dropFirst() && bucket.text("d/b") == "XhortABC")
        #expect(bucket.store.allKeys == ["a", "d/", "d/b"])
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    @Test func aFileThatWasNeverStored() async throws {
        let bucket = try await bucket()
        let mount = bucket.mount()
        #expect(try await mount.list("") == ["a", "d"])
        let new = try await mount.open("new", [.readWrite, .create])
        try await mount.write(new, "new")
        let held = try await mount.lookup("a", in: .root)
        bucket.store.log.reset()
        try await mount.rename("new", to: "a", .exchange)
        #expect(bucket.requests() == ["CopyObject": 1])
        #expect(bucket.text("new") == Self.short && bucket.text("a") == Self.short)
        #expect(try await mount.read(new) == "new")
        #expect(try await mount.text("new") == Self.short)
        #expect(try await mount.list("") == ["a", "d", "new"])
        try await mount.close(new)
        #expect(bucket.text("new") == Self.short && bucket.text("a") == "new")
        mount.fileSystem.forget(held.node, lookups: 1)
    }

    /// One that goes before it is stored takes along what it was exchanged with.
    @Test func aFileThatIsNeverStored() async throws {
        let bucket = try await bucket()
        let mount = bucket.mount()
        let new = try await mount.open("new", [.readWrite, .create])
        try await mount.rename("a", to: "new", .exchange)
        try await mount.unlink("a")
        await mount.release(new)
        #expect(bucket.store.allKeys == ["d/", "d/b", "new"] && bucket.text("new") == Self.short)
        #expect(try await mount.list("") == ["d", "new"])
    }

    @Test func twoFilesThatWereNeverStored() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        let one = try await mount.open("a", [.readWrite, .create])
        let other = try await mount.open("b", [.readWrite, .create])
        try await mount.write(one, "one")
        try await mount.write(other, "other")
        bucket.store.log.reset()
        try await mount.rename("a", to: "b", .exchange)
        #expect(bucket.requests() == [:])
        try await mount.close(one)
        try await mount.close(other)
        #expect(bucket.text("a") == "other" && bucket.text("b") == "one")
    }

    @Test(arguments: ["s3", "seaweedfs"]) func filesOfOtherTypes(store kind: String) async throws {
        let bucket = TestBucket(kind == "s3" ? .s3 : .seaweedFS)
        let mount = bucket.mount()
        try await mount.put("file", "text")
        let (link, fifo) = (try #require(FileName("link")), try #require(FileName("fifo")))
        _ = try await mount.fileSystem.makeSymbolicLink(link, in: .root, target: Array("x".utf8), by: mount.caller)
        _ = try await mount.fileSystem.makeNode(
            fifo, in: .root, type: .fifo, permissions: 0o640, device: 0, by: mount.caller)
        try await mount.rename("link", to: "file", .exchange)
        try await mount.rename("fifo", to: "link", .exchange)
        for mount in [mount, bucket.mount()] {
            #expect(try await mount.stat("file").type == .symbolicLink)
            #expect(try await mount.stat("link").type == .fifo)
            #expect(try await mount.text("fifo") == "text")
            let target = try await mount.at("file") { node throws(Errno) in
                try await mount.fileSystem.readSymbolicLink(node)
            }
            #expect(target == Array("x".utf8))
        }
        #expect(bucket.store.allKeys == ["fifo", "file", "link"])
    }

    @Test func whatIsRefused() async throws {
        let bucket = try await bucket()
        let mount = bucket.mount()
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.rename("a", to: "c", .exchange) }
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.rename("c", to: "a", .exchange) }
        await #expect(throws: Errno.invalidArgument) { try await mount.rename("a", to: "d", .exchange) }
        await #expect(throws: Errno.invalidArgument) { try await mount.rename("d", to: "a", .exchange) }
        await #expect(throws: Errno.invalidArgument) {
            try await mount.rename("a", to: "d/b", [.exchange, .noReplace])
        }
        try await mount.rename("a", to: "a", .exchange)
        #expect(bucket.text("a") == Self.short && bucket.text("d/b") == Self.long)
    }

    @Test func theContentTypeFollowsTheName() async throws {
        let bucket = TestBucket()
        let mount = bucket.mount()
        try await mount.put("a.html", "page")
        try await mount.put("b.png", "a longer image")
        let types = ["a.html", "b.png"].map { bucket.store.info(of: ObjectKey($0))?.metadata.contentType }
        #expect(types[0] != types[1])
        try await mount.rename("a.html", to: "b.png", .exchange)
        #expect(bucket.text("a.html") == "a longer image" && bucket.text("b.png") == "page")
        #expect(["a.html", "b.png"].map { bucket.store.info(of: ObjectKey($0))?.metadata.contentType } == types)
    }

    // MARK: At every instant

    @Test func eachContentIsAlwaysUnderSomeKey() async throws {
        let bucket = try await bucket()
        let store = bucket.store
        let lost = Shared<[String]>([])
        let between = InterveningStore(store) { _ in
        } after: { request in
            if !contents(store).isSuperset(of: [Self.short, Self.long]) { lost.update { $0.append("\(request)") } }
        }
        try await bucket.mount(through: between).rename("a", to: "d/b", .exchange)
        #expect(lost.value == [])
        #expect(bucket.text("a") == Self.long && bucket.text("d/b") == Self.short)
    }

    /// The process dies at each of its requests in turn: both contents are in the bucket, the smaller one at worst aside, under
    /// a key that tells where it belongs.
    @Test(arguments: CrashingStore.Moment.allCases) func whoeverDiesLosesNothing(moment: CrashingStore.Moment)
        async throws
    {
        for count in 0..<5 {
            let bucket = try await bucket()
            let crashing = CrashingStore(bucket.store, after: count, moment) { $0.operation.isMutation }
            let mount = bucket.mount(through: crashing)
            do throws(Errno) {
                try await mount.rename("a", to: "d/b", .exchange)
                // A lost answer of the last delete is no failure.
                #expect(count >= 3)
            } catch {
                #expect(count < 3)
            }
            #expect(contents(bucket.store).isSuperset(of: [Self.short, Self.long]), "\(count)")
            for key in asides(bucket.store) { #expect(key.string.hasSuffix("/d/b") && bucket.text(key) == Self.short) }
            let visible = Set([bucket.text("a"), bucket.text("d/b")])
            #expect(visible.contains(Self.long) && (visible.contains(Self.short) || !asides(bucket.store).isEmpty))
        }
    }

    // MARK: Failures

    /// A copy that is refused: both names have what they had, and nothing is left.
    @Test(arguments: ["a", "d/b", "aside"]) func aRefusedCopyChangesNothing(goal: String) async throws {
        let bucket = try await bucket()
        let plan = GoalFault(goal: goal, fault: .before(.accessDenied))
        let mount = bucket.mount(through: FaultyStore(bucket.store, plan: plan))
        let handle = try await mount.open("a")
        #expect(try await mount.read(handle, 1) == "s")
        await #expect(throws: Errno.permissionDenied) { try await mount.rename("a", to: "d/b", .exchange) }
        #expect(bucket.text("a") == Self.short && bucket.text("d/b") == Self.long)
        #expect(bucket.store.allKeys == ["a", "d/", "d/b"])
        #expect(try await mount.text("a") == Self.short)
        #expect(try await mount.text("d/b") == Self.long)
        #expect(try await mount.read(handle) == Self.short)
        await mount.release(handle)
        // And the next try does it.
        try await mount.rename("a", to: "d/b", .exchange)
        #expect(bucket.text("a") == Self.long && bucket.text("d/b") == Self.short)
        #expect(try await mount.text("a") == Self.long)
        #expect(try await mount.text("d/b") == Self.short)
    }

    /// A copy was made and its answer lost: the exchange goes on.
    @Test(arguments: ["a", "d/b", "aside"], [Fault.after(.timedOut), .duplicated])
    func aLostAnswerIsLookedFor(goal: String, fault: Fault) async throws {
        let bucket = try await bucket()
        let faulty = FaultyStore(bucket.store, plan: GoalFault(goal: goal, fault: fault))
        let mount = bucket.mount(through: faulty)
        try await mount.rename("a", to: "d/b", .exchange)
        #expect(faulty.injected.count == 1)
        #expect(bucket.text("a") == Self.long && bucket.text("d/b") == Self.short)
        #expect(bucket.store.allKeys == ["a", "d/", "d/b"])
    }

    /// A copy of which nobody knows takes effect long after the exchange was given up: the content is still there.
    @Test(arguments: ["a", "d/b"]) func aCopyThatComesLate(goal: String) async throws {
        let bucket = try await bucket()
        let faulty = FaultyStore(bucket.store, plan: GoalFault(goal: goal, fault: .late))
        let mount = bucket.mount(through: faulty)
        await #expect(throws: Errno.timedOut) { try await mount.rename("a", to: "d/b", .exchange) }
        #expect(bucket.text("a") == Self.short && bucket.text("d/b") == Self.long)
        #expect(asides(bucket.store).count == 1)
        #expect(await faulty.deliverLate() == 1)
        #expect(contents(bucket.store).isSuperset(of: [Self.short, Self.long]))
        // What the late copy has overwritten, under a key that tells where it belongs.
        let kept = try #require(asides(bucket.store).first)
        #expect(kept.string.hasSuffix("/d/b"))
        #expect(bucket.text(kept) == (goal == "a" ? Self.short : Self.long))
    }

    /// The second copy fails, and so does the way back: the smaller content stays aside, and its open handle reads on.
    @Test func whatCannotBeTakenBack() async throws {
        let bucket = try await bucket()
        let faulty = FaultyStore(
            bucket.store,
            [
                .init(.before(.accessDenied), on: .copy, key: "d/b", times: 1),
                .init(.before(.accessDenied), on: .copy, key: "a", skipping: 1),
            ])
        let mount = bucket.mount(through: faulty)
        let handle = try await mount.open("a")
        #expect(try await mount.read(handle, 1) == "s")
        await #expect(throws: Errno.permissionDenied) { try await mount.rename("a", to: "d/b", .exchange) }
        #expect(bucket.text("a") == Self.long && bucket.text("d/b") == Self.long)
        #expect(asides(bucket.store).map { bucket.text($0) } == [Self.short])
        #expect(try await mount.read(handle) == Self.short)
        #expect(try await mount.text("a") == Self.long)
        await mount.release(handle)
        #expect(asides(bucket.store).count == 1)
    }

    /// Somebody stores under one of the names meanwhile: his content stays.
    @Test(arguments: ["a", "d/b"]) func whatOthersStoreMeanwhileStays(name: String) async throws {
        let bucket = try await bucket()
        let store = bucket.store
        let isDone = Shared(false)
        let between = InterveningStore(store) { request in
            guard request.operation == .copy, request.key == ObjectKey(name), !isDone.value else { return }
            isDone.update { $0 = true }
            store.insert(ObjectKey(name), Array("theirs".utf8))
        }
        let mount = bucket.mount(through: between)
        _ = try await (mount.stat("a"), mount.stat("d/b"))
        await #expect(throws: Errno.staleNFSFileHandle) { try await mount.rename("a", to: "d/b", .exchange) }
        #expect(isDone.value && bucket.text(ObjectKey(name)) == "theirs")
        #expect(
            asides(store).isEmpty && bucket.text(name == "a" ? "d/b" : "a") == (name == "a" ? Self.long : Self.short))
        #expect(try await mount.text(name) == "theirs")
    }

    @Test func aStoreWithoutConditions() async throws {
        let bucket = try await bucket(.ignoringConditions)
        let mount = bucket.mount()
        try await mount.rename("a", to: "d/b", .exchange)
        #expect(bucket.text("a") == Self.long && bucket.text("d/b") == Self.short)
        #expect(bucket.store.allKeys == ["a", "d/", "d/b"])
    }

    /// Lookups, listings and reads during each request of the exchange see one of the two states, and are never refused.
    @Test func whoLooksMeanwhile() async throws {
        let bucket = try await bucket()
        let mounts = Shared<TestMount?>(nil)
        let handles = Shared<[HandleID]>([])
        let seen = Shared<[String]>([])
        let between = InterveningStore(bucket.store) { _ in
        } after: { request in
            guard request.operation == .copy, let mount = mounts.value, let handle = handles.value.first else { return }
            let answers = [
                try? await mount.text("a"), try? await mount.read(handle, at: 1), try? await mount.text("d/b"),
            ]
            seen.update { $0 += answers.map { $0 ?? "refused" } }
        }
        let mount = bucket.mount(through: between) { $0.attributeTimeout = 0 }
        let handle = try await mount.open("a")
        #expect(try await mount.read(handle, 1) == "s")
        mounts.update { $0 = mount }
        handles.update { $0 = [handle] }
        defer { mounts.update { $0 = nil } }
        try await mount.rename("a", to: "d/b", .exchange)
        #expect(seen.value == Array(repeating: [Self.short, "hort", Self.long], count: 3).flatMap { $0 })
        #expect(try await mount.text("a") == Self.long)
        await mount.release(handle)
    }
}

/// One fault, at the first copy to a goal: a key, or the one below `.pail/exchange/`.
private struct GoalFault: FaultPlan {
    let goal: String
    let fault: Fault
    var isDone = false

    init(goal: String, fault: Fault) {
        self.goal = goal
        self.fault = fault
    }

    mutating func fault(for request: StoreRequest, index: Int) -> Fault? {
        let isAside = request.key.hasPrefix(".pail/exchange/")
        guard !isDone, request.operation == .copy, goal == "aside" ? isAside : request.key == ObjectKey(goal) else {
            return nil
        }
        isDone = true
        return fault
    }
}
