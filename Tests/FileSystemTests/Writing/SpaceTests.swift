import ObjectStore
import SystemPackage
import Testing

@testable import FileSystem

/// Writing where neither memory nor disk has room.
@Suite(.timeLimit(.minutes(15))) struct SpaceTests {
    static func limits(disk: Int64) -> WritingLimits {
        var limits = StagedFileTests.limits()
        limits.disk = DiskBudget(limit: disk)
        limits.spaceWait = .milliseconds(100)
        return limits
    }

    /// The disk takes nothing, memory hardly a part: the writer is as slow as his uploads, and nothing fails.
    @Test(arguments: [100, 130, 260]) func aWriterInSequenceNeedsNoDisk(budget: Int) async throws {
        var limits = Self.limits(disk: 0)
        limits.spaceWait = .seconds(30)
        let test = FileUnderTest(
            base: nil, features: StagedFileTests.features(), limits: limits, budget: budget, streams: true)
        var random = SeededGenerator(seed: 7)
        for _ in 0..<200 { try await test.append(StagedFileTests.bytes(40, &random)) }
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model)
        #expect(limits.disk.used == 0 && limits.disk.peak == 0)
        #expect(test.budget.used == 0)
        // One part over the budget, no more than its last block.
        #expect(test.budget.peak <= budget + 64)
    }

    /// Who cannot be streamed is refused, after waiting for others, and loses nothing.
    @Test func anyOtherWriterIsRefusedAndLosesNothing() async throws {
        let test = FileUnderTest(
            base: nil, features: StagedFileTests.features(), limits: Self.limits(disk: 0), budget: 100, streams: false)
        var random = SeededGenerator(seed: 8)
        try await test.write(at: 0, StagedFileTests.bytes(90, &random))
        await #expect(throws: Errno.noSpace) {
            try await test.file.write(at: 500, [UInt8](repeating: 1, count: 60))
        }
        try await test.check("after the refusal")
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model)
        // The commit has made room.
        try await test.write(at: 500, StagedFileTests.bytes(60, &random))
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model)
    }

    /// Copies of what the store has make way for what only this machine has.
    @Test func keptCopiesMakeWay() async throws {
        let limits = Self.limits(disk: 1024)
        let test = FileUnderTest(
            base: nil, features: StagedFileTests.features(), limits: limits, budget: 300, streams: true)
        var random = SeededGenerator(seed: 9)
        for _ in 0..<60 { try await test.append(StagedFileTests.bytes(16, &random)) }
        await test.file.wait { !$0.stream.isBusy }
        #expect(limits.disk.used > 0)
        #expect(limits.disk.used <= 512)
        #expect(await limits.disk.reclaim())
        #expect(limits.disk.used == 0)
        // What was dropped is only in the upload, and comes back from there.
        try await test.check("after the copies are gone")
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model)
    }

    /// The cap holds whatever is written, and nothing is lost.
    @Test(arguments: 1...12) func theCapHolds(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let limits = Self.limits(disk: 700)
        let test = FileUnderTest(
            base: nil, features: StagedFileTests.features(), limits: limits, budget: 300, streams: seed % 2 == 0)
        for _ in 0..<60 {
            let bytes = StagedFileTests.bytes(Int.random(in: 1...40, using: &random), &random)
            do {
                if Int.random(in: 0..<4, using: &random) == 0 {
                    try await test.write(at: Int.random(in: 0...test.model.count, using: &random), bytes)
                } else {
                    try await test.append(bytes)
                }
            } catch let error as Errno {
                #expect(error == .noSpace, "seed \(seed)")
                _ = try await test.commit()
            }
            #expect(limits.disk.used <= 700, "seed \(seed)")
        }
        try await test.check("seed \(seed)")
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model, "seed \(seed)")
        #expect(limits.disk.used == 0, "seed \(seed)")
    }
}
