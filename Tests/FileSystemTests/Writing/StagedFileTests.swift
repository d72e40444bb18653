import Logging
import ObjectStore
import SystemPackage
import Testing

@testable import FileSystem

/// One file with its model: what POSIX says it holds.
final class FileUnderTest {
    let store: FakeStore
    let budget: MemoryBudget
    let file: StagedFile
    let key: ObjectKey = "file"
    var model: [UInt8]
    var version = 0

    init(
        base: [UInt8]?, features: StoreFeatures, limits: WritingLimits, budget: Int, streams: Bool,
        beforePart: (@Sendable () async -> Void)? = nil
    ) {
        store = FakeStore(features: features, beforePart: beforePart)
        self.budget = MemoryBudget(limit: budget)
        var version: ObjectVersion?
        if let base {
            version = ObjectVersion(key: key, etag: store.seed(key, base), size: Int64(base.count))
        }
        model = base ?? []
        let box = Box()
        let store = store
        let target: @Sendable () -> UploadTarget? = {
            guard let file = box.file else { return nil }
            var precondition = Precondition.absent
            if let etag = file.base?.etag { precondition = .matches(etag) }
            return UploadTarget(
                key: "file", metadata: ObjectMetadata(user: ["mtime": "early"]), precondition: precondition,
                readBase: FileUnderTest.reader(file, store))
        }
        file = StagedFile(
            base: version, store: store, budget: self.budget, limits: limits, logger: Logger(label: "test"),
            uploadTarget: streams ? target : nil)
        box.file = file
    }

    final class Box: @unchecked Sendable { weak var file: StagedFile? }

    static func reader(_ file: StagedFile, _ store: FakeStore) -> BaseReader {
        store.reader { [weak file] in
            let base = file?.base
            return (base?.key ?? "", base?.etag)
        }
    }

    func commit() async throws(StoreError) -> CommitResult {
        version += 1
        return try await Self.commit(file, store, key, version)
    }

    /// A commit that runs while others write.
    func beginCommit() -> Task<CommitResult, any Error> {
        version += 1
        let (file, store, key, version) = (file, store, key, version)
        return Task { () async throws -> CommitResult in
            try await FileUnderTest.commit(file, store, key, version)
        }
    }

    private static func commit(_ file: StagedFile, _ store: FakeStore, _ key: ObjectKey, _ version: Int)
        async throws(StoreError) -> CommitResult
    {
        var condition = Precondition.none
        if let etag = file.base?.etag { condition = .matches(etag) }
        return try await file.commit(
            key: key, metadata: ObjectMetadata(user: ["mtime": "\(version)"]), if: condition,
            readBase: reader(file, store))
    }

    func write(at offset: Int, _ bytes: [UInt8]) async throws {
        let now = bytes.withUnsafeBytes { file.writeNow(at: Int64(offset), $0) }
        if let now {
            #expect(try now.get() == bytes.count)
        } else {
            #expect(try await file.write(at: Int64(offset), bytes) == bytes.count)
        }
        note(offset, bytes)
    }

    func append(_ bytes: [UInt8]) async throws {
        let now = bytes.withUnsafeBytes { file.appendNow($0) }
        if let now {
            #expect(try now.get() == bytes.count)
        } else {
            #expect(try await file.append(bytes) == bytes.count)
        }
        note(model.count, bytes)
    }

    private func note(_ offset: Int, _ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        while model.count < offset + bytes.count { model.append(0) }
        model.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }

    func truncate(to size: Int) async throws {
        try await file.truncate(to: Int64(size))
        if size < model.count { model.removeSubrange(size...) }
        while model.count < size { model.append(0) }
    }

    /// The bytes of `range` as a reader of the mount gets them.
    func read(_ range: Range<Int>, loading: Bool = true) async throws -> [UInt8] {
        let wanted = Int64(range.lowerBound)..<Int64(range.upperBound)
        var (pieces, base) = file.versionedContents(of: wanted)
        if pieces.contains(where: { if case .unavailable = $0 { true } else { false } }) {
            (pieces, base) = try await file.load(wanted)
        }
        var bytes: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .bytes(let segment): bytes += Array(segment.bytes)
            case .zeros(let count): bytes += [UInt8](repeating: 0, count: count)
            case .object(let range):
                let object = try #require(store.object(base!.key))
                #expect(object.etag == base!.etag)
                bytes += object.bytes[Int(range.lowerBound)..<Int(range.upperBound)]
            case .unavailable: Issue.record("unavailable after load")
            }
        }
        return bytes
    }

    func check(_ comment: String) async throws {
        #expect(file.size == Int64(model.count), "\(comment)")
        #expect(try await read(0..<model.count + 10) == model, "\(comment)")
    }
}

@Suite struct StagedFileTests {
    static func features(partCopies: Bool = true) -> StoreFeatures {
        var features = UploadPlanTests.tiny(min: 16, max: 4096)
        features.maximumObjectSize = 1 << 20
        features.partCopies = partCopies
        return features
    }

    static func limits(_ uploaded: WritingLimits.UploadedParts = .keptOnDisk) -> WritingLimits {
        var limits = UploadPlanTests.limits(part: 64, put: 64, copy: 128)
        limits.blockSizes = [8, 16, 64]
        limits.spillBlockSize = 64
        limits.parallelParts = 3
        limits.uploadedParts = uploaded
        limits.minimumFreeDisk = 0
        limits.streamingWindow = 64 * 6
        return limits
    }

    static func bytes(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 1...255, using: &random) }
    }

    /// One random life of a file.
    static func live(seed: UInt64, uploaded: WritingLimits.UploadedParts) async throws {
        var random = SeededGenerator(seed: seed)
        let base: [UInt8]? =
            seed % 3 == 0 ? nil : Self.bytes(Int.random(in: 0...1500, using: &random), &random)
        let budget = [200, 700, 1 << 20][Int(seed / 3 % 3)]
        let test = FileUnderTest(
            base: base, features: Self.features(partCopies: seed % 7 != 0), limits: Self.limits(uploaded),
            budget: budget, streams: seed % 2 == 0)
        for step in 0..<120 {
            let comment = "seed \(seed) step \(step)"
            switch Int.random(in: 0..<40, using: &random) {
            case 0..<10:
                let offset = Int.random(in: 0...(test.model.count + 20), using: &random)
                try await test.write(at: offset, Self.bytes(Int.random(in: 0...90, using: &random), &random))
            case 10..<24:
                for _ in 0..<Int.random(in: 1...20, using: &random) {
                    try await test.append(Self.bytes(Int.random(in: 1...40, using: &random), &random))
                }
            case 24..<26:
                try await test.truncate(to: Int.random(in: 0...(test.model.count + 100), using: &random))
            case 26 where uploaded == .keptOnDisk || seed % 4 == 1:
                try await test.check(comment)
            case 27..<31:
                let lower = Int.random(in: 0...test.model.count, using: &random)
                let upper = min(test.model.count, lower + Int.random(in: 0...100, using: &random))
                #expect(try await test.read(lower..<upper) == Array(test.model[lower..<upper]), "\(comment)")
            case 31..<34:
                let result = try await test.commit()
                #expect(test.store.object(test.key)?.bytes == test.model, "\(comment)")
                #expect(result.version == test.file.base, "\(comment)")
                #expect(!test.file.isDirty && test.store.openUploads == 0, "\(comment)")
                if let stored = result.metadata {
                    #expect(test.store.object(test.key)?.metadata == stored, "\(comment)")
                }
            case 34:
                // The next commit fails at its nth mutation, and then at the one after until it gets through.
                let before = test.store.object(test.key)?.bytes
                var number = Int.random(in: 1...3, using: &random)
                while true {
                    let nth = number
                    test.store.setFault { _, count in count == nth ? .refuse : nil }
                    do {
                        _ = try await test.commit()
                        break
                    } catch {
                        #expect(error.kind == .serverError, "\(comment)")
                        #expect(test.file.isDirty, "\(comment)")
                        if uploaded == .keptOnDisk {
                            #expect(test.store.object(test.key)?.bytes == before, "\(comment)")
                            #expect(test.store.openUploads == 0, "\(comment)")
                        }
                        number += 1
                    }
                }
                test.store.setFault(nil)
                #expect(test.store.object(test.key)?.bytes == test.model, "\(comment)")
            case 35:
                // The answer to the last step gets lost.
                test.store.setFault { operation, _ in
                    operation == "PutObject"
                        ? .loseAnswer(.preconditionFailed)
                        : operation == "CompleteMultipartUpload" ? .loseAnswer(.noSuchUpload) : nil
                }
                _ = try await test.commit()
                test.store.setFault(nil)
                #expect(test.store.object(test.key)?.bytes == test.model, "\(comment)")
                #expect(!test.file.isDirty, "\(comment)")
            case 36:
                // A commit runs while writes go on.
                let committed = test.beginCommit()
                for _ in 0..<5 {
                    let offset = Int.random(in: 0...test.model.count, using: &random)
                    try await test.write(at: offset, Self.bytes(Int.random(in: 0...90, using: &random), &random))
                    await Task.yield()
                }
                _ = try await committed.value
                if uploaded == .keptOnDisk { try await test.check(comment) }
            default: break
            }
            #expect(test.file.size == Int64(test.model.count), "\(comment)")
        }
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model, "seed \(seed)")
        try await test.check("seed \(seed)")
        #expect(test.store.openUploads == 0, "seed \(seed)")
        await test.file.discard()
        #expect(test.budget.used == 0, "seed \(seed)")
    }

    @Test(arguments: 0..<50) func randomLivesMatchTheModel(seed: UInt64) async throws {
        try await Self.live(seed: seed, uploaded: .keptOnDisk)
    }

    @Test(arguments: 0..<50) func randomLivesWithDroppedPartsMatchTheModel(seed: UInt64) async throws {
        try await Self.live(seed: seed &+ 1000, uploaded: .dropped)
    }
}
