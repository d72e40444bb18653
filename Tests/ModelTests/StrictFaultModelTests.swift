import FileSystem
import Foundation
import Logging
import ObjectStore
import ObjectStoreTesting
import Recovery
import SystemPackage
import Testing

@testable import LocalState

/// The random operations of ``ModelTests`` in strict mode, over a store whose every request may fail, before or behind its effect,
/// twice or late; over crashes of the process at any request, and the recovery from its journal; with one mount and with two.
///
/// An operation that says that it is done is done, also in the bucket. One that fails by the store's fault has happened whole, or not
/// at all; and what a failed close has left counts as written, for this mount goes on showing it and the next one stores it.
/// The same settings from the environment as in ``ModelTests``.
@Suite struct StrictFaultModelTests {
    static let sequences = Environment.number("PAIL_MODEL_SEQUENCES") ?? 25

    @Test(arguments: ["s3", "seaweedfs"]) func failures(store kind: String) async throws {
        try await run(kind, .init(faults: 0.08))
    }

    @Test func lateRequests() async throws {
        try await run("s3", .init(faults: 0.08, areLate: true))
    }

    @Test(arguments: ["s3", "seaweedfs"]) func crashes(store kind: String) async throws {
        try await run(kind, .init(crashes: true))
    }

    @Test func crashesAndFailures() async throws {
        try await run("s3", .init(faults: 0.08, crashes: true))
    }

    @Test func twoMounts() async throws {
        try await run("s3", .init(mounts: 2, faults: 0.08, crashes: true), share: 4)
    }

    private func run(_ kind: String, _ setting: StrictRun.Setting, share: Int = 1) async throws {
        for seed in ModelTests.firstSeed..<ModelTests.firstSeed + UInt64(max(1, Self.sequences / share)) {
            let run = try StrictRun(seed: seed, store: kind, setting)
            let difference = await run.run(length: ModelTests.length)
            #expect(difference == nil, "seed \(seed): \(difference ?? "")")
            if difference != nil { return }
        }
    }
}

/// One sequence of operations.
final class StrictRun {
    /// What may happen in it.
    struct Setting {
        var mounts = 1
        /// The probability with which a request goes wrong.
        var faults = 0.0
        /// Whether requests that have timed out may take effect afterwards.
        var areLate = false
        var crashes = false
    }

    private static let isTraced = Environment.number("PAIL_MODEL_TRACE") == 1
    /// What an injected fault may come to.
    private static let failures: Set<Errno> = [
        .ioError, .resourceBusy, .timedOut, .networkUnreachable,
        // A close that cannot tell whether its own version or another's is there.
        .staleNFSFileHandle,
    ]

    private let plain: ModelRun
    private let setting: Setting
    private let faulty: FaultyStore
    private let directory: String
    private var places: [StrictMount] = []
    private var random: SplitMix64
    /// The goals of renames that have failed.
    private var replaced: Set<String> = []
    private var hasFailedExchange = false

    init(seed: UInt64, store kind: String, _ setting: Setting) throws {
        self.setting = setting
        plain = ModelRun(seed: seed, store: kind, mounts: 1)
        var faults: [Fault] = [
            .before(.serverError), .before(.throttled), .before(.unreachable), .after(.timedOut), .after(.serverError),
            .duplicated, .cut(after: 30, .badResponse),
        ]
        if setting.areLate { faults = [.late, .late, .after(.timedOut), .before(.timedOut)] }
        faulty = FaultyStore(
            plain.store,
            plan: SteadyFaults(
                seed: seed, probability: setting.faults, faults: faults, isTraced: Self.isTraced))
        random = SplitMix64(seed: seed)
        directory = StrictMount.scratch + "/pail-strict-\(seed)-\(UInt64.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        for place in places { place.journal.close() }
        try? FileManager.default.removeItem(atPath: directory)
    }

    private var silent: Logger { StrictMount.logger(isTraced: Self.isTraced) }

    private func open(_ index: Int) async throws -> StrictMount {
        try await withoutFaults {
            try await StrictMount.open(
                directory + "/\(index)", over: faulty, attributeTimeout: setting.mounts == 1 ? 1 : 0, logger: silent)
        }
    }

    private func withoutFaults<T>(_ body: () async throws -> T) async rethrows -> T {
        faulty.isEnabled = false
        defer { faulty.isEnabled = true }
        return try await body()
    }

    /// Runs the sequence; says what differed first.
    func run(length: Int) async -> String? {
        var model = ReferenceModel()
        do {
            for index in 0..<setting.mounts { places.append(try await open(index)) }
            for step in 0..<length {
                let index = Int.random(in: 0..<setting.mounts, using: &random)
                if Int.random(in: 0..<40, using: &random) == 0 {
                    try await remount(index)
                    if let difference = await compare(model, index) { return "step \(step), remount: \(difference)" }
                }
                let operation = RandomOperation.random(&random, withHandles: false)
                let before = model
                let expected = operation.perform(on: &model)
                let dies = setting.crashes && Int.random(in: 0..<25, using: &random) == 0
                if dies {
                    places[index].store.crash(
                        after: Int.random(in: 0..<6, using: &random),
                        Bool.random(using: &random) ? .beforeEffect : .afterEffect)
                }
                var slots: [Int: HandleOperation.Slot] = [:]
                let actual = await operation.perform(on: places[index].driver, &slots)
                if Self.isTraced { print("step \(step), #\(index) \(operation): \(actual)\(dies ? ", crash" : "")") }
                if dies { try await crash(index) }
                if actual != expected {
                    guard case .failed(let errno) = actual, Self.failures.contains(errno) else {
                        return "step \(step), \(operation): \(actual) instead of \(expected)"
                    }
                    if let difference = try await settle(&model, before, operation, index) {
                        return "step \(step), \(operation), \(actual): \(difference)"
                    }
                }
                // Comparing reads everything.
                if actual != expected || dies || step % 20 == 19 {
                    if let difference = await compare(model, index) {
                        return "after step \(step), \(operation), \(actual)\(dies ? ", crash" : ""): \(difference)"
                    }
                    model.noteAllRead()
                }
            }
            return try await end(model)
        } catch {
            return "\(error)"
        }
    }

    private func compare(_ model: ReferenceModel, _ index: Int) async -> String? {
        await withoutFaults {
            let driver = places[index].driver
            if await plain.compare(model, driver) == nil { return nil }
            // What was asked ahead, before the faults ended, may have answered the first time.
            return await plain.compare(model, driver)
        }
    }

    // MARK: Ends and beginnings

    private func remount(_ index: Int) async throws {
        // With faults: what the drain cannot store, the next mount does.
        _ = await places[index].driver.fileSystem.drain()
        places[index].journal.close()
        places[index] = try await open(index)
    }

    private func crash(_ index: Int) async throws {
        places[index].abandon()
        places[index] = try await open(index)
    }

    private func end(_ model: ReferenceModel) async throws -> String? {
        for index in places.indices {
            try await remount(index)
            if let difference = await compare(model, index) { return "at the end: \(difference)" }
        }
        await withoutFaults { _ = await faulty.deliverLate() }
        let fresh = StrictMount.fileSystem(plain.store, logger: silent) { $0.attributeTimeout = 0 }
        if let difference = await plain.compare(model, FileSystemDriver(fileSystem: fresh)) {
            return "in the bucket: \(difference)"
        }
        for place in places {
            // What was not stored yet, and was then to be replaced by a rename that failed behind its copy, is kept.
            let kept = place.journal.kept.filter { !replaced.contains($0.key.string) }
            if !kept.isEmpty { return "kept: \(kept.map { "\($0.key): \($0.reason)" })" }
            if !place.journal.unstored.isEmpty { return "unstored: \(place.journal.unstored)" }
        }
        let known = Set(places.flatMap(\.journal.uploads).map(\.id))
        let unknown = plain.store.uploadsUnderWay.filter { !known.contains($0.id) }
        // Of an upload whose beginning was answered to nobody, nobody knows.
        if !unknown.isEmpty, faulty.injected.isEmpty, !setting.crashes { return "\(unknown.count) uploads are left" }
        // An exchange that failed leaves a content aside where one of the files was changed before the next mount could look.
        let left = plain.store.allKeys.filter {
            $0.hasPrefix(".pail/") && !(hasFailedExchange && $0.hasPrefix(".pail/exchange/"))
        }
        return left.isEmpty ? nil : "left behind: \(left)"
    }

    // MARK: After a failure

    /// Decides what an operation that has failed came to, and lets the model follow. Nil if that is one of the two it may be.
    private func settle(
        _ model: inout ReferenceModel, _ before: ReferenceModel, _ operation: RandomOperation, _ index: Int
    ) async throws -> String? {
        // Comparing reads everything, and it may be compared twice.
        var before = before
        before.noteAllRead()
        model.noteAllRead()
        let after = model
        if case .rename(_, let to) = operation { replaced.insert(to) }
        if case .exchange = operation { hasFailedExchange = true }
        if setting.areLate, let path = operation.file, Bool.random(using: &random),
            before.mayStore(path), after.mayStore(path)
        {
            return try await overtake(&model, before, path, index)
        }
        if setting.areLate { await withoutFaults { _ = await faulty.deliverLate() } }
        // The other mount sees what this one has stored.
        if setting.mounts > 1 { _ = await withoutFaults { await places[index].fileSystem.storeAll(below: "") } }
        var differences: [String] = []
        for candidate in [before, after] {
            guard let difference = await compare(candidate, index) else {
                model = candidate
                return nil
            }
            differences.append(difference)
        }
        if case .exchange = operation {
            // Cut off in its middle, and the store has failed as well when it was to be taken back: the next mount does that.
            try await crash(index)
            for candidate in [before, after] where await compare(candidate, index) == nil {
                model = candidate
                return nil
            }
        }
        guard case .rename(let from, let to) = operation else {
            return "neither before (\(differences[0])) nor after (\(differences[1]))"
        }
        let cut = CutRename(before: before, from: from, to: to)
        if let lost = await withoutFaults({ await cut.lost(places[index].driver) }) { return "lost: \(lost)" }
        _ = await withoutFaults { await places[index].driver.fileSystem.drain() }
        try await cut.finish(in: plain.store)
        try await crash(index)
        model = after
        return nil
    }

    /// Replaces a file before the requests that have failed arrive: what is stored then stays.
    private func overtake(
        _ model: inout ReferenceModel, _ before: ReferenceModel, _ path: String, _ index: Int
    ) async throws -> String? {
        // Bytes that nothing else has: a condition tells no version from another of the same bytes.
        let bytes = Array("behind what has failed: \(random.next())".utf8)
        let store = RandomOperation.store(path, bytes, permissions: 0o644)
        let after = model
        // What the failed operation came to is looked at first: whether a file is there, and with what permissions.
        for candidate in [before, after] where await compare(candidate, index) == nil {
            model = candidate
            let expected = store.perform(on: &model)
            var slots: [Int: HandleOperation.Slot] = [:]
            let actual = await withoutFaults { await store.perform(on: places[index].driver, &slots) }
            if actual != expected { return "\(store): \(actual) instead of \(expected)" }
            await withoutFaults { _ = await faulty.deliverLate() }
            try await crash(index)
            return await compare(model, index).map { "overtaken: \($0)" }
        }
        return "neither before nor after"
    }
}

/// Faults by chance that depend on what is asked, and how often it was asked before, not on what else is under way: so a sequence that
/// is run again meets the same.
///
/// Of late ones only those that a condition can tell from what was stored since: contents. Two versions of a directory's marker, or of
/// a file's headers, have the same ETag.
private struct SteadyFaults: FaultPlan {
    let seed: UInt64
    let probability: Double
    let faults: [Fault]
    let isTraced: Bool
    private var asked: [String: UInt64] = [:]

    init(seed: UInt64, probability: Double, faults: [Fault], isTraced: Bool) {
        self.seed = seed
        self.probability = probability
        self.faults = faults
        self.isTraced = isTraced
    }

    mutating func fault(for request: StoreRequest, index: Int) -> Fault? {
        let name = "\(request.operation) \(request.key)"
        let count = asked[name, default: 0]
        asked[name] = count + 1
        // FNV-1a: the same in every process.
        let hash = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        var random = SplitMix64(seed: hash &+ count &* 0x9e37_79b9 &+ seed &* 0x85eb_ca6b)
        guard Double.random(in: 0..<1, using: &random) < probability,
            var fault = faults.randomElement(using: &random)
        else { return nil }
        if fault == .late {
            switch request.operation {
            case .put, .delete, .completeUpload: if request.key.isDirectoryMarker { fault = .before(.timedOut) }
            default: fault = .before(.timedOut)
            }
        }
        if isTraced { print("    \(name): \(fault)") }
        return fault
    }
}

extension ReferenceModel {
    /// Whether a file can be stored at a path.
    fileprivate func mayStore(_ path: String) -> Bool {
        var copy = self
        return RandomOperation.store(path, [], permissions: 0o644).perform(on: &copy) == .done
    }
}

extension RandomOperation {
    /// The file that it would change the bytes of, or remove.
    fileprivate var file: String? {
        switch self {
        case .store(let path, _, _), .overwrite(let path, _, _), .append(let path, _), .truncate(let path, _),
            .createExclusively(let path), .unlink(let path):
            path
        default: nil
        }
    }
}
