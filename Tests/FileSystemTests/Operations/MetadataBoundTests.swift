import ObjectStore
import ObjectStoreTesting
import Synchronization
import SystemPackage
import Testing

@testable import FileSystem

/// A kernel that remembers what it looked up, and forgets what it is told to.
private final class RememberingKernel: KernelNotifier {
    private struct Place: Hashable {
        var parent: NodeID
        var name: FileName
    }
    private struct State {
        var known: [Place: (node: NodeID, lookups: UInt64)] = [:]
        var asked = 0
        var isDeaf = false
    }
    private let state = Mutex(State())
    let mount: TestMount

    init(_ mount: TestMount, isDeaf: Bool = false) {
        self.mount = mount
        state.withLock { $0.isDeaf = isDeaf }
        mount.fileSystem.start(notifier: self)
    }

    var known: Int { state.withLock { $0.known.count } }
    var asked: Int { state.withLock { $0.asked } }

    /// LOOKUP, remembered.
    @discardableResult func lookup(_ name: String, in parent: NodeID = .root) async throws(Errno) -> Entry {
        let entry = try await mount.lookup(name, in: parent)
        state.withLock { state in
            let place = Place(parent: parent, name: FileName(name)!)
            state.known[place] = (entry.node, (state.known[place]?.lookups ?? 0) + 1)
        }
        return entry
    }

    func invalidateInode(_ node: NodeID, offset: Int64, length: Int64) {}

    func invalidateEntry(parent: NodeID, name: FileName) {
        let forgotten = state.withLock { state -> (node: NodeID, lookups: UInt64)? in
            state.asked += 1
            return state.isDeaf ? nil : state.known.removeValue(forKey: Place(parent: parent, name: name))
        }
        if let forgotten { mount.fileSystem.forget(forgotten.node, lookups: forgotten.lookups) }
    }
}

/// Metadata keep to their share, and nothing fails or is wrong for it.
@Suite(.timeLimit(.minutes(15))) struct MetadataBoundTests {
    static func bucket(_ count: Int) -> TestBucket {
        let bucket = TestBucket()
        for number in 0..<count { bucket.store.insert(ObjectKey("d/\(name(number))"), [UInt8(number & 255)]) }
        return bucket
    }

    static func name(_ number: Int) -> String { "entry-of-some-length-\(100_000 + number)" }

    @Test func theKernelIsAskedToForgetInodesBeyondTheBound() async throws {
        let bucket = Self.bucket(300)
        let mount = bucket.mount { $0.maximumInodes = 64 }
        let kernel = RememberingKernel(mount)
        let directory = try await kernel.lookup("d")
        for number in 0..<300 {
            let entry = try await kernel.lookup(Self.name(number), in: directory.node)
            #expect(entry.attributes.size == 1)
            #expect(mount.fileSystem.metadata.now.inodeCount <= 70)
        }
        #expect(kernel.known <= 70)
        // What was forgotten is as it was.
        let before = try await mount.stat("d/\(Self.name(0))")
        #expect(before.inode == (try await bucket.mount().stat("d/\(Self.name(0))")).inode)
    }

    @Test func whatIsInUseIsKept() async throws {
        let bucket = Self.bucket(200)
        let mount = bucket.mount { $0.maximumInodes = 32 }
        let kernel = RememberingKernel(mount)
        let directory = try await kernel.lookup("d")
        let open = try await mount.open("d/\(Self.name(7))", [.readWrite])
        try await mount.write(open, "xyz")
        let used = try await kernel.lookup(Self.name(9), in: directory.node)
        for number in 10..<200 {
            try await kernel.lookup(Self.name(number), in: directory.node)
            // Looked up again and again: the hand passes it by.
            #expect(try await kernel.lookup(Self.name(9), in: directory.node).node == used.node)
        }
        #expect(try await mount.read(open) == "xyz")
        try await mount.close(open)
        #expect(bucket.text(ObjectKey("d/\(Self.name(7))")) == "xyz")
    }

    /// A kernel that does not obey is not asked without end.
    @Test func aDeafKernelIsAskedOnce() async throws {
        let bucket = Self.bucket(200)
        let mount = bucket.mount { $0.maximumInodes = 32 }
        let kernel = RememberingKernel(mount, isDeaf: true)
        let directory = try await kernel.lookup("d")
        for number in 0..<200 { try await kernel.lookup(Self.name(number), in: directory.node) }
        #expect(kernel.asked <= 200)
        #expect(kernel.asked >= 160)
        for number in 0..<200 {
            #expect(try await kernel.lookup(Self.name(number), in: directory.node).attributes.size == 1)
        }
    }

    /// Far more names than the share holds: each is listed exactly once, each found, and what is not there is not.
    @Test func aDirectoryLargerThanItsShareIsListedAndWalked() async throws {
        let count = 4000
        let bucket = Self.bucket(count)
        let share = 256 << 10
        let mount = bucket.mount { $0.metadataShare = share }
        let kernel = RememberingKernel(mount)
        let directory = try await kernel.lookup("d")
        let found = try await mount.list("d")
        #expect(found.count == count)
        #expect(Set(found).count == count)
        #expect(mount.fileSystem.metadata.now.total <= share + MetadataUse.step)
        for number in stride(from: 0, to: count, by: 7) {
            #expect(try await kernel.lookup(Self.name(number), in: directory.node).attributes.size == 1)
        }
        #expect(mount.fileSystem.metadata.now.total <= share + 2 * MetadataUse.step)
        await #expect(throws: Errno.noSuchFileOrDirectory) { try await mount.stat("d/\(Self.name(5))x") }
        let used = mount.fileSystem.budget.used
        #expect(used >= mount.fileSystem.metadata.now.total)
        #expect(used <= mount.fileSystem.metadata.now.total + 2 * MetadataUse.step)
    }

    /// A reader's place holds although the pages behind him were let go: seekdir(3) to any place that telldir(3) told, with names made
    /// and removed meanwhile.
    @Test(arguments: 1...4) func aPlaceHoldsWhateverWasLetGo(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        let count = 9000
        let bucket = Self.bucket(count)
        let mount = bucket.mount { $0.metadataShare = 512 << 10 }
        let directory = try await mount.lookup("d", in: .root)
        let handle = try mount.fileSystem.openDirectoryNow(directory.node)!.get()
        // What follows each place, as it was told on the way through.
        var places: [(cookie: UInt64, next: String)] = []
        var cookie: UInt64 = 0
        while let page = try await mount.page(handle, from: cookie, limit: 60) {
            for item in page where item.name != "." && item.name != ".." {
                places.append((cookie, item.name))
                cookie = item.next
            }
            cookie = page.last!.next
        }
        #expect(places.map(\.next) == (0..<count).map(Self.name))
        var removed: Set<String> = []
        for round in 0..<40 {
            let index = Int.random(in: 2..<count, using: &random)
            if round % 2 == 0 {
                let name = Self.name(Int.random(in: 0..<count, using: &random))
                removed.insert(name)
                bucket.store.remove(ObjectKey("d/\(name)"))
                bucket.store.insert(ObjectKey("d/\(name)-new"), [])
            }
            let next = try await mount.page(handle, from: places[index].cookie, limit: 1)?.first?.name
            let expected = places[index...].first { !removed.contains($0.next) || next == $0.next }?.next
            #expect(next == expected, "seed \(seed), round \(round)")
        }
        mount.fileSystem.releaseDirectory(handle)
    }
}

extension TestMount {
    /// One reply to `READDIR`; nil at the directory's end.
    func page(_ handle: HandleID, from cookie: UInt64, limit: Int) async throws(Errno) -> [DirectoryItem]? {
        var items: [DirectoryItem] = []
        while true {
            let answer = fileSystem.readDirectoryNow(handle, from: cookie, plus: false) { item in
                guard items.count < limit else { return false }
                items.append(item)
                return true
            }
            if let answer {
                try answer.get()
                return items.isEmpty ? nil : items
            }
            try await fileSystem.prepareDirectory(handle, from: cookie)
        }
    }
}
