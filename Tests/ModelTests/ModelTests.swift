import FileSystem
import Glibc
import Logging
import ObjectStore
import ObjectStoreTesting
import Synchronization
import SystemPackage
import Testing

/// Random operations on the file system over a bucket in memory, compared with what a local file system would do.
///
/// The seed of each sequence is printed when it fails: `PAIL_MODEL_SEED=n PAIL_MODEL_SEQUENCES=1 swift test --filter ModelTests`
/// repeats it, and `PAIL_MODEL_TRACE=1` prints its steps. `PAIL_MODEL_SEQUENCES` sets how many are run.
@Suite struct ModelTests {
    /// Four times this for one mount: on two kinds of store, with and without open files.
    static let sequences = Environment.number("PAIL_MODEL_SEQUENCES") ?? 250
    /// Two mounts believe nothing that they have not just asked: each of their sequences takes as long as eight others.
    static let sequencesOfTwo = Environment.number("PAIL_MODEL_SEQUENCES") ?? 60
    static let firstSeed = UInt64(Environment.number("PAIL_MODEL_SEED") ?? 1)
    static let length = 200

    @Test(arguments: ["s3", "seaweedfs"]) func oneMount(store kind: String) async throws {
        for seed in Self.firstSeed..<Self.firstSeed + UInt64(Self.sequences) {
            let run = ModelRun(seed: seed, store: kind, mounts: 1)
            let difference = await run.run(length: Self.length)
            #expect(difference == nil, "seed \(seed): \(difference ?? "")")
            if difference != nil { return }
        }
    }

    /// Files stay open over other operations: two handles on one file, and files that lose their name meanwhile.
    @Test(arguments: ["s3", "seaweedfs"]) func openFiles(store kind: String) async throws {
        for seed in Self.firstSeed..<Self.firstSeed + UInt64(Self.sequences) {
            let run = ModelRun(seed: seed, store: kind, mounts: 1, withHandles: true)
            let difference = await run.run(length: Self.length)
            #expect(difference == nil, "seed \(seed): \(difference ?? "")")
            if difference != nil { return }
        }
    }

    /// `--attributes=listing`: all here was made by this mount, and so shows as ever, whatever it has forgotten meanwhile.
    @Test(arguments: ["s3", "seaweedfs"]) func attributesFromListings(store kind: String) async throws {
        for seed in Self.firstSeed..<Self.firstSeed + UInt64(max(1, Self.sequences / 4)) {
            let run = ModelRun(seed: seed, store: kind, mounts: 1, withHandles: seed % 2 == 0, fromListings: true)
            let difference = await run.run(length: Self.length)
            #expect(difference == nil, "seed \(seed): \(difference ?? "")")
            if difference != nil { return }
        }
    }

    @Test func twoMounts() async throws {
        for seed in Self.firstSeed..<Self.firstSeed + UInt64(Self.sequencesOfTwo) {
            let run = ModelRun(seed: seed, store: "s3", mounts: 2)
            let difference = await run.run(length: Self.length)
            #expect(difference == nil, "seed \(seed): \(difference ?? "")")
            if difference != nil { return }
        }
    }
}

/// Settings of a test run from the environment.
enum Environment {
    static func number(_ name: String) -> Int? {
        name.withCString { getenv($0) }.flatMap { Int(String(cString: $0)) }
    }
}

/// One sequence of operations.
struct ModelRun {
    /// `PAIL_MODEL_TRACE=1` prints each step.
    private static let isTraced = Environment.number("PAIL_MODEL_TRACE") == 1
    let seed: UInt64
    let store: InMemoryStore
    let mounts: Int
    let withHandles: Bool
    let fromListings: Bool

    init(seed: UInt64, store kind: String, mounts: Int, withHandles: Bool = false, fromListings: Bool = false) {
        self.fromListings = fromListings
        self.seed = seed
        self.mounts = mounts
        self.withHandles = withHandles
        var options: InMemoryStore.Options = kind == "s3" ? .s3 : .seaweedFS
        // Directories of a few names are listed by several requests.
        options.pageLimit = [2, 3, 1000][Int(seed % 3)]
        // Parts of 64 bytes, so that files of a few hundred are multipart uploads with copied parts.
        store = InMemoryStore(options: options.with(minimumPartSize: 64))
    }

    private func mount(isLast: Bool = false) -> FileSystemDriver {
        var options = FileSystemOptions()
        // The last one looks at what is stored.
        options.attributes = fromListings && !isLast ? .listing : .stored
        options.partSize = 64
        options.memoryLimit = 1 << 20
        // With two mounts nothing may be late; with one, what is known is used for as long as a mount would.
        options.attributeTimeout = mounts == 1 ? fromListings ? 0.001 : 1 : 0
        var logger = Logger(label: "model", factory: { _ in SwiftLogNoOpLogHandler() })
        logger.logLevel = .critical
        return FileSystemDriver(
            fileSystem: BucketFileSystem(store: store, prefix: "", options: options, logger: logger))
    }

    /// Runs the sequence; says what differed first.
    func run(length: Int) async -> String? {
        var random = SplitMix64(seed: seed)
        var model = ReferenceModel()
        var drivers = (0..<mounts).map { _ in mount() }
        var slots: [Int: HandleOperation.Slot] = [:]
        for step in 0..<length {
            // Another mount would not know what this one has set.
            if mounts == 1, !fromListings, Int.random(in: 0..<40, using: &random) == 0 {
                if let difference = await close(&slots, drivers[0], &model) {
                    return "before step \(step): \(difference)"
                }
                drivers = [mount()]
            }
            let operation = RandomOperation.random(&random, withHandles: withHandles)
            var driver = drivers[Int.random(in: 0..<mounts, using: &random)]
            // Two programs of two users share each mount. Permissions are the kernel's to check.
            if Bool.random(using: &random) { driver.caller = Caller(uid: 1000, gid: 100, umask: 0) }
            model.caller = (driver.caller.uid, driver.caller.gid)
            let expected = operation.perform(on: &model)
            let actual = await operation.perform(on: driver, &slots)
            if Self.isTraced { print("step \(step), \(operation): \(actual)") }
            if actual != expected { return "step \(step), \(operation): \(actual) instead of \(expected)" }
            if step % 20 == 19 {
                if let difference = await compare(model, drivers[step / 20 % mounts]) {
                    return "after step \(step), \(operation): \(difference)"
                }
                // Comparing reads everything.
                model.noteAllRead()
            }
        }
        if let difference = await close(&slots, drivers[0], &model) { return "at the end: \(difference)" }
        if let difference = await compare(model, mount(isLast: true)) { return "after remount: \(difference)" }
        if !store.uploadsUnderWay.isEmpty { return "\(store.uploadsUnderWay.count) uploads are left" }
        let left = store.allKeys.filter { $0.hasPrefix(".pail/unlinked") }
        return left.isEmpty ? nil : "left behind: \(left)"
    }

    /// Closes what is open.
    func close(
        _ slots: inout [Int: HandleOperation.Slot], _ driver: FileSystemDriver, _ model: inout ReferenceModel
    ) async -> String? {
        for slot in slots.keys.sorted() {
            let operation = RandomOperation.handle(.close(slot: slot))
            let expected = operation.perform(on: &model)
            let actual = await operation.perform(on: driver, &slots)
            if actual != expected { return "\(operation): \(actual) instead of \(expected)" }
        }
        return nil
    }

    /// Walks the whole tree and compares everything.
    func compare(_ model: ReferenceModel, _ driver: FileSystemDriver) async -> String? {
        for (path, node) in model.nodes.sorted(by: { $0.key < $1.key }) {
            do throws(Errno) {
                if let difference = try await compare(path, node, model, driver) { return "\(path): \(difference)" }
            } catch {
                return "\(path): \(error)"
            }
        }
        return nil
    }

    private func compare(
        _ path: String, _ node: ReferenceModel.Node, _ model: ReferenceModel, _ driver: FileSystemDriver
    )
        async throws(Errno) -> String?
    {
        if !path.isEmpty, let difference = try await compareNode(path, node, driver) { return difference }
        // Behind the attributes: to list a directory moves its access time.
        guard node.isDirectory else { return nil }
        let names = try await driver.list(path)
        let expected = model.children(of: path).map { String($0.split(separator: "/").last!) }
        return names == expected ? nil : "entries \(names) instead of \(expected)"
    }

    private func compareNode(_ path: String, _ node: ReferenceModel.Node, _ driver: FileSystemDriver)
        async throws(Errno) -> String?
    {
        return try await driver.with(path) { id, entry throws(Errno) in
            guard let attributes = entry?.attributes else { return "no attributes" }
            if attributes.permissions != node.permissions {
                return
                    "mode \(String(attributes.permissions, radix: 8)) instead of \(String(node.permissions, radix: 8))"
            }
            if attributes.owner != node.owner || attributes.group != node.group { return "owner" }
            if let modified = node.modified, !node.isDirectory,
                attributes.modificationTime != .init(seconds: modified, nanoseconds: 5)
            {
                return "mtime \(attributes.modificationTime) instead of \(modified)"
            }
            if let accessed = node.accessed, attributes.accessTime != .init(seconds: accessed, nanoseconds: 7) {
                return "atime \(attributes.accessTime) instead of \(accessed)"
            }
            let names = try await driver.fileSystem.extendedAttributeNames(of: id)
            if names.sorted() != node.allExtended.keys.sorted() { return "xattrs \(names)" }
            for (name, value) in node.allExtended {
                if try await driver.fileSystem.extendedAttribute(name, of: id) != value { return "xattr \(name)" }
            }
            switch node.kind {
            case .file(let bytes):
                if attributes.size != Int64(bytes.count) { return "size \(attributes.size) instead of \(bytes.count)" }
                let handle = try await driver.open(path, [])
                let actual = try await driver.readAll(handle, piece: 77)
                try await driver.close(handle)
                if actual != bytes { return "content" }
            case .link(let target):
                if try await driver.fileSystem.readSymbolicLink(id) != target { return "link target" }
            case .directory: if attributes.type != .directory { return "no directory" }
            case .special(let type, let device):
                if attributes.type != type { return "\(attributes.type) instead of \(type)" }
                if attributes.device != device { return "device \(attributes.device) instead of \(device)" }
            }
            return nil
        }
    }
}
