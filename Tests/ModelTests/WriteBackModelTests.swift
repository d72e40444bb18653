import FileSystem
import Foundation
import Logging
import ObjectStore
import ObjectStoreTesting
import SystemPackage
import Testing

@testable import LocalState

/// The random operations of ``ModelTests`` on a file system that stores to this machine first: over uploads that fail, and over
/// crashes of the process at any moment. At the end all that is pending is uploaded, and the bucket itself has to be as the model.
///
/// The same settings from the environment as there.
@Suite struct WriteBackModelTests {
    static let sequences = Environment.number("PAIL_MODEL_SEQUENCES") ?? 40

    @Test(arguments: ["s3", "seaweedfs"]) func oneMount(store kind: String) async throws {
        try await run(kind, withHandles: false, faults: 0, crashes: false)
    }

    @Test(arguments: ["s3", "seaweedfs"]) func openFiles(store kind: String) async throws {
        try await run(kind, withHandles: true, faults: 0, crashes: false)
    }

    @Test(arguments: [false, true]) func uploadsThatFail(withHandles: Bool) async throws {
        try await run("s3", withHandles: withHandles, faults: 0.3, crashes: false)
    }

    @Test(arguments: ["s3", "seaweedfs"]) func crashes(store kind: String) async throws {
        try await run(kind, withHandles: false, faults: 0, crashes: true)
    }

    @Test func crashesAndUploadsThatFail() async throws {
        try await run("s3", withHandles: false, faults: 0.3, crashes: true)
    }

    private func run(_ kind: String, withHandles: Bool, faults: Double, crashes: Bool) async throws {
        for seed in ModelTests.firstSeed..<ModelTests.firstSeed + UInt64(Self.sequences) {
            let run = try WriteBackRun(
                seed: seed, store: kind, withHandles: withHandles, faults: faults, crashes: crashes)
            var difference = await run.run(length: ModelTests.length)
            if difference != nil { difference? += run.keptNames }
            #expect(difference == nil, "seed \(seed): \(difference ?? "")")
            if difference != nil { return }
        }
    }
}

/// Faults for what the drain asks; what the mount itself asks for passes, for its failures are another matter.
private struct DrainFaults: FaultPlan {
    var inner: SeededFaults

    mutating func fault(for request: StoreRequest, index: Int) -> Fault? {
        let fault = inner.fault(for: request, index: index)
        return WriteBackStore.isDraining ? fault : nil
    }
}

/// One sequence of operations.
final class WriteBackRun {
    private static let isTraced = Environment.number("PAIL_MODEL_TRACE") == 1
    private static let scratch = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NSTemporaryDirectory()

    private let seed: UInt64
    private let plain: ModelRun
    private let faulty: FaultyStore
    private let withHandles: Bool
    private let crashes: Bool
    private let directory: String
    private var journal: Journal
    private var store: WriteBackStore
    private var random: SplitMix64

    init(seed: UInt64, store kind: String, withHandles: Bool, faults: Double, crashes: Bool) throws {
        self.seed = seed
        self.withHandles = withHandles
        self.crashes = crashes
        plain = ModelRun(seed: seed, store: kind, mounts: 1)
        faulty = FaultyStore(
            plain.store, plan: DrainFaults(inner: SeededFaults(seed: seed, probability: faults)))
        random = SplitMix64(seed: seed)
        directory = Self.scratch + "/pail-model-\(seed)-\(UInt64.random(in: .min ... .max))"
        journal = try Self.openJournal(directory)
        store = Self.openStore(faulty, journal)
    }

    deinit {
        journal.close()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Says nothing, or with `PAIL_MODEL_TRACE=1` all.
    private static var silent: Logger {
        if isTraced { return Logger(label: "model") { StreamLogHandler.standardOutput(label: $0) } }
        var logger = Logger(label: "model", factory: { _ in SwiftLogNoOpLogHandler() })
        logger.logLevel = .critical
        return logger
    }

    private static func openJournal(_ directory: String) throws -> Journal {
        var options = Journal.Options()
        options.minimumFree = 0
        return try Journal.open(in: StateDirectory.open(directory), options: options, logger: silent)
    }

    private static func openStore(_ base: any ObjectStore, _ journal: Journal) -> WriteBackStore {
        var options = WriteBackStore.Options()
        options.partSize = 64
        options.singlePutThreshold = 128
        options.transientDelay = { _ in .microseconds(200) }
        options.permanentDelay = .microseconds(500)
        return WriteBackStore(base, journal: journal, options: options, logger: silent)
    }

    /// What is kept, to be told with a difference.
    var keptNames: String {
        journal.kept.isEmpty ? "" : "; kept: \(journal.kept.map { "\($0.key) (\($0.size) bytes): \($0.reason)" })"
    }

    private func mount(_ store: any ObjectStore) -> FileSystemDriver {
        var options = FileSystemOptions()
        options.partSize = 64
        options.memoryLimit = 1 << 20
        options.attributeTimeout = 1
        options.ordersChanges = true
        return FileSystemDriver(
            fileSystem: BucketFileSystem(store: store, prefix: "", options: options, logger: Self.silent))
    }

    /// Runs the sequence; says what differed first.
    func run(length: Int) async -> String? {
        var model = ReferenceModel()
        var driver = mount(store)
        var slots: [Int: HandleOperation.Slot] = [:]
        for step in 0..<length {
            if Int.random(in: 0..<40, using: &random) == 0 {
                if let difference = await plain.close(&slots, driver, &model) {
                    return "before step \(step): \(difference)"
                }
                do { driver = try await remount() } catch { return "before step \(step): remount: \(error)" }
            }
            // Now and then the drain has all the time it needs, so that what follows meets what is stored.
            if Int.random(in: 0..<10, using: &random) == 0 { try? await store.settle() }
            let operation = RandomOperation.random(&random, withHandles: withHandles)
            if crashes, Int.random(in: 0..<30, using: &random) == 0 {
                let before = model
                let expected = operation.perform(on: &model)
                let actual = await operationWithCrash(operation, driver)
                if Self.isTraced { print("step \(step), crash in \(operation): \(actual)") }
                do { driver = try await reopen() } catch { return "after step \(step): reopen: \(error)" }
                if actual != expected {
                    // It failed by the crash, or it was overtaken: all of it has happened, or nothing.
                    switch await settleOn(before, model, operation, driver) {
                    case .success(let found):
                        model = found
                        driver = mount(store)
                    case .failure(let difference):
                        return "after a crash in step \(step), \(operation): \(difference.text)"
                    }
                }
                if let difference = await compare(&model, driver) {
                    return "after a crash in step \(step), \(operation), \(actual): \(difference)"
                }
                continue
            }
            let expected = operation.perform(on: &model)
            let actual = await operation.perform(on: driver, &slots)
            if Self.isTraced { print("step \(step), \(operation): \(actual)") }
            if actual != expected { return "step \(step), \(operation): \(actual) instead of \(expected)" }
            if step % 20 == 19, let difference = await compare(&model, driver) {
                return "after step \(step), \(operation): \(difference)"
            }
        }
        return await end(&slots, driver, &model)
    }

    /// Compares everything, which reads everything.
    private func compare(_ model: inout ReferenceModel, _ driver: FileSystemDriver) async -> String? {
        let difference = await plain.compare(model, driver)
        model.noteAllRead()
        return difference
    }

    private func end(
        _ slots: inout [Int: HandleOperation.Slot], _ driver: FileSystemDriver, _ model: inout ReferenceModel
    ) async -> String? {
        if let difference = await plain.close(&slots, driver, &model) { return "at the end: \(difference)" }
        if let difference = await compare(&model, driver) { return "at the end: \(difference)" }
        do throws(StoreError) { try await store.settle() } catch { return "settling: \(error)" }
        if let difference = await compare(&model, driver) { return "after settling: \(difference)" }
        if !journal.kept.isEmpty { return "kept: \(journal.kept.map { "\($0.key): \($0.reason)" })" }
        let left = await store.close(draining: .seconds(30))
        if left > 0 { return "\(left) intents are left" }
        // A reader that fetches ahead holds what it reads, for a moment more than anybody waits for it.
        for _ in 0..<2000 where journal.shelf.bytes != 0 { try? await Task.sleep(for: .milliseconds(1)) }
        if journal.shelf.bytes != 0 { return "\(journal.shelf.bytes) bytes of contents are left" }
        if let difference = await compare(&model, mount(plain.store)) { return "in the bucket: \(difference)" }
        let known = Set(journal.uploads.map(\.id))
        let unknown = plain.store.uploadsUnderWay.filter { !known.contains($0.id) }
        // Of an upload whose beginning was answered to nobody, nobody knows.
        if !unknown.isEmpty, faulty.injected.isEmpty { return "\(unknown.count) uploads are left that nobody knows of" }
        let hidden = plain.store.allKeys.filter { $0.hasPrefix(".pail/unlinked") }
        return hidden.isEmpty || crashes ? nil : "left behind: \(hidden)"
    }

    /// The mount ends and begins anew: in an orderly way, without waiting for the uploads.
    private func remount() async throws -> FileSystemDriver {
        if Bool.random(using: &random) { return mount(store) }
        await store.close(draining: Bool.random(using: &random) ? .seconds(30) : .zero)
        journal.close()
        return try open()
    }

    private func open() throws -> FileSystemDriver {
        journal = try Self.openJournal(directory)
        guard journal.findings.isEmpty else { throw Difference(text: "\(journal.findings)") }
        store = Self.openStore(faulty, journal)
        return mount(store)
    }

    /// Runs an operation while the process dies.
    private func operationWithCrash(_ operation: RandomOperation, _ driver: FileSystemDriver) async
        -> RandomOperation.Outcome
    {
        let task = Task {
            var slots: [Int: HandleOperation.Slot] = [:]
            return await operation.perform(on: driver, &slots)
        }
        switch Int.random(in: 0..<3, using: &random) {
        case 0: for _ in 0..<Int.random(in: 0..<60, using: &random) { await Task.yield() }
        case 1: try? await Task.sleep(for: .microseconds(Int.random(in: 0..<600, using: &random)))
        default: _ = await task.value
        }
        await store.abandon()
        return await task.value
    }

    private func reopen() async throws -> FileSystemDriver {
        await store.abandon()
        return try open()
    }

    private struct Difference: Error {
        var text: String
    }

    /// Which of two states the mount shows.
    private func settleOn(
        _ before: ReferenceModel, _ after: ReferenceModel, _ operation: RandomOperation, _ driver: FileSystemDriver
    ) async -> Result<ReferenceModel, Difference> {
        guard let first = await plain.compare(before, driver) else { return .success(before) }
        guard let second = await plain.compare(after, driver) else { return .success(after) }
        if case .rename(let from, let to) = operation {
            let cut = CutRename(before: before, from: from, to: to)
            if let lost = await cut.lost(driver) { return .failure(Difference(text: "lost: \(lost)")) }
            do {
                try await store.settle()
                try await cut.finish(in: plain.store)
            } catch { return .failure(Difference(text: "\(error)")) }
            return .success(after)
        }
        return .failure(Difference(text: "neither before (\(first)) nor after (\(second))"))
    }
}
