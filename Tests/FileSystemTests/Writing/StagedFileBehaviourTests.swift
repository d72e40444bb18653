import Logging
import ObjectStore
import Synchronization
import SystemPackage
import Testing

@testable import FileSystem

/// Single properties of a file being written, each with the requests it costs.
@Suite struct StagedFileBehaviourTests {
    static func make(
        base: [UInt8]? = nil, budget: Int = 1 << 20, streams: Bool = false,
        uploaded: WritingLimits.UploadedParts = .keptOnDisk, limits: WritingLimits? = nil,
        beforePart: (@Sendable () async -> Void)? = nil
    ) -> FileUnderTest {
        FileUnderTest(
            base: base, features: StagedFileTests.features(), limits: limits ?? StagedFileTests.limits(uploaded),
            budget: budget, streams: streams, beforePart: beforePart)
    }

    static func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) } }

    /// Waits for what a background task does, without a deadline of its own: the test's time limit is one.
    static func eventually(_ condition: () -> Bool) async throws {
        while !condition() { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test func aSmallFileIsOnePut() async throws {
        let test = Self.make(streams: true)
        #expect(test.file.isDirty)
        try await test.write(at: 0, Self.pattern(50))
        let result = try await test.commit()
        #expect(test.store.state.withLock { $0.calls } == ["PutObject": 1])
        #expect(result.metadata?.user == ["mtime": "1"])
        // Nothing changed: nothing is sent.
        let again = try await test.commit()
        #expect(test.store.state.withLock { $0.calls } == ["PutObject": 1])
        #expect(again.metadata == nil && again.version == result.version)
        #expect(test.budget.used == 0)
    }

    @Test func anEmptyNewFileIsStoredOnce() async throws {
        let test = Self.make()
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == [])
        #expect(!test.file.isDirty)
    }

    @Test func aSmallOpenFileReservesLittle() async throws {
        let budget = MemoryBudget(limit: 64 << 20)
        let store = FakeStore(features: StoreFeatures())
        var files: [StagedFile] = []
        for _ in 0..<10_000 {
            let file = StagedFile(
                base: nil, store: store, budget: budget, limits: WritingLimits(spillDirectory: "/tmp"),
                logger: Logger(label: "test"))
            [1, 2, 3].withUnsafeBytes { _ = file.writeNow(at: 0, $0) }
            files.append(file)
        }
        #expect(budget.used == 10_000 * 4096)
        files = []
        #expect(budget.used == 0)
    }

    @Test func aSequentialWriterMakesFewExtents() throws {
        let file = StagedFile(
            base: nil, store: FakeStore(features: StoreFeatures()), budget: MemoryBudget(limit: 64 << 20),
            limits: WritingLimits(spillDirectory: "/tmp"), logger: Logger(label: "test"))
        let page = [UInt8](repeating: 1, count: 4096)
        for index in 0..<4096 {
            _ = try #require(page.withUnsafeBytes { file.writeNow(at: Int64(index * 4096), $0) }).get()
        }
        #expect(file.state.withLock { $0.map.count } <= 16 + 5)
    }

    @Test func bytesHandedOutDoNotChange() async throws {
        let test = Self.make()
        try await test.write(at: 0, Self.pattern(60))
        let held = test.file.contents(of: 0..<60)
        try await test.write(at: 0, [UInt8](repeating: 0xFF, count: 60))
        var seen: [UInt8] = []
        for case .bytes(let segment) in held { seen += Array(segment.bytes) }
        #expect(seen == Self.pattern(60))
        try await test.check("after")
    }

    @Test func rewritingInPlaceTakesNoMoreMemory() async throws {
        let test = Self.make()
        try await test.write(at: 0, Self.pattern(60))
        let used = test.budget.used
        for _ in 0..<1000 { try await test.write(at: 8, Self.pattern(40)) }
        #expect(test.budget.used == used)
    }

    @Test(.timeLimit(.minutes(15))) func fullPartsAreSentWhileWritingGoesOn() async throws {
        let test = Self.make(streams: true)
        for index in 0..<10 {
            try await test.write(at: index * 40, Self.pattern(40))
        }
        try await Self.eventually { test.store.calls("UploadPart") == 6 }
        #expect(test.store.object(test.key) == nil)
        let result = try await test.commit()
        #expect(test.store.calls("UploadPart") == 7)
        #expect(test.store.calls("PutObject") == 0)
        #expect(test.store.object(test.key)?.bytes == test.model)
        // S3 took the metadata at the start, and the caller is told.
        #expect(result.metadata?.user == ["mtime": "early"])
    }

    @Test(.timeLimit(.minutes(15))) func aHeaderPatchedAtTheEndSendsOnePartAgainAndNothingIsVisibleBefore() async throws
    {
        let test = Self.make(streams: true)
        for index in 0..<10 { try await test.write(at: index * 40, Self.pattern(40)) }
        try await Self.eventually {
            test.store.calls("UploadPart") == 6 && !test.file.state.withLock { $0.stream.isBusy }
        }
        try await test.write(at: 3, [1, 2, 3])
        try await test.check("patched")
        #expect(test.store.object(test.key) == nil)
        _ = try await test.commit()
        #expect(test.store.calls("UploadPart") == 8)
        #expect(test.store.history(test.key) == [test.model])
    }

    @Test(.timeLimit(.minutes(15))) func readingADroppedPartCompletesTheUpload() async throws {
        let test = Self.make(streams: true, uploaded: .dropped)
        for index in 0..<10 { try await test.write(at: index * 40, Self.pattern(40)) }
        try await Self.eventually {
            test.store.calls("UploadPart") == 6 && !test.file.state.withLock { $0.stream.isBusy }
        }
        let inMemory = test.file.contents(of: 0..<64)
        guard case .unavailable(0..<64)? = inMemory.first else {
            Issue.record("\(inMemory)")
            return
        }
        [UInt8(1)].withUnsafeBytes { #expect(test.file.writeNow(at: 5, $0) == nil) }
        try await test.check("read back")
        #expect(test.store.history(test.key) == [test.model])
        #expect(!test.file.isDirty)
        try await test.write(at: 5, [1])
        _ = try await test.commit()
        #expect(test.store.history(test.key).count == 2)
        #expect(test.store.object(test.key)?.bytes == test.model)
    }

    @Test(.timeLimit(.minutes(15))) func aFailedCommitKeepsAnUploadThatHoldsTheOnlyCopy() async throws {
        let test = Self.make(streams: true, uploaded: .dropped)
        for index in 0..<10 { try await test.write(at: index * 40, Self.pattern(40)) }
        try await Self.eventually {
            test.store.calls("UploadPart") == 6 && !test.file.state.withLock { $0.stream.isBusy }
        }
        test.store.setFault { operation, _ in operation == "CompleteMultipartUpload" ? .refuse : nil }
        await #expect(throws: StoreError.self) { _ = try await test.commit() }
        #expect(test.store.openUploads == 1)
        #expect(test.file.isDirty)
        // Bound to its key, it is not lost by a commit to another either.
        await #expect(throws: StoreError.self) {
            try await test.file.commit(key: "other", metadata: ObjectMetadata(), if: .none, readBase: nil)
        }
        test.store.setFault(nil)
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model)
        #expect(test.store.openUploads == 0)
    }

    @Test(.timeLimit(.minutes(15))) func aCommitToAnotherKeySendsAllAgain() async throws {
        let test = Self.make(streams: true)
        for index in 0..<10 { try await test.write(at: index * 40, Self.pattern(40)) }
        try await test.file.commit(key: "other", metadata: ObjectMetadata(), if: .none, readBase: nil)
        #expect(test.store.object("other")?.bytes == test.model)
        #expect(test.store.object(test.key) == nil)
        #expect(test.store.openUploads == 0)
    }

    @Test(.timeLimit(.minutes(15))) func aWriterWaitsForItsOwnPartsAndMemoryStaysInsideTheBudget() async throws {
        let gate = Turnstile()
        // Room for about seven parts of 64 bytes.
        let test = Self.make(budget: 512, streams: true, beforePart: { await gate.pass() })
        var written = 0
        while true {
            let bytes = Self.pattern(30)
            let now = bytes.withUnsafeBytes { test.file.writeNow(at: Int64(written), $0) }
            guard now != nil else {
                // While the upload is being made the writer waits as well.
                if test.file.state.withLock({ $0.stream.inFlight > 0 }) { break }
                try await Task.sleep(for: .milliseconds(1))
                continue
            }
            written += 30
            await Task.yield()
        }
        #expect(written < 512)
        let file = test.file
        let position = Int64(written)
        let waiting = Task { try await file.write(at: position, Self.pattern(30)) }
        try await Task.sleep(for: .milliseconds(20))
        #expect(file.size == position)
        gate.open()
        #expect(try await waiting.value == 30)
        for index in 1..<200 {
            _ = try await file.write(at: position + Int64(index * 30), Self.pattern(30))
        }
        #expect(test.budget.peak <= 512)
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes.count == written + 6000)
    }

    @Test(.timeLimit(.minutes(15))) func aWaitingWriterCanBeInterrupted() async throws {
        let gate = Turnstile()
        let test = Self.make(streams: true, beforePart: { await gate.pass() })
        let file = test.file
        let writer = Task {
            var position: Int64 = 0
            while true { position += Int64(try await file.write(at: position, Self.pattern(30))) }
        }
        try await Self.eventually { file.size > 384 }
        try await Task.sleep(for: .milliseconds(20))
        let size = file.size
        #expect(size < 384 + 64 + 60)
        writer.cancel()
        await #expect(throws: Errno.interrupted) { try await writer.value }
        gate.open()
    }

    @Test func aRandomWriterSpillsToDiskAndAFullDiskIsAnError() async throws {
        let test = Self.make(budget: 128)
        for index in stride(from: 40, through: 0, by: -2) { try await test.write(at: index * 20, Self.pattern(20)) }
        #expect(test.budget.peak <= 128)
        #expect(test.file.state.withLock { $0.spill!.used } > 0)
        try await test.check("spilled")
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model)
        #expect(test.file.state.withLock { $0.spill!.used } == 0)

        var limits = StagedFileTests.limits()
        limits.spillDirectory = "/nonexistent/pail"
        let other = Self.make(budget: 64, limits: limits)
        try await other.write(at: 0, Self.pattern(60))
        await #expect(throws: Errno.noSuchFileOrDirectory) { _ = try await other.file.write(at: 100, Self.pattern(60)) }
        try await other.check("refused write left nothing")
    }

    @Test func bytesThatTheDiskHasChangedAreNeverUploaded() async throws {
        let test = Self.make(budget: 128)
        for index in stride(from: 40, through: 0, by: -2) { try await test.write(at: index * 20, Self.pattern(20)) }
        let spill = try #require(test.file.state.withLock { $0.spill })
        var page = [UInt8](repeating: 0, count: 20)
        try page.withUnsafeMutableBytes { try spill.read(at: 0, into: $0) }
        let good = page
        page[7] ^= 0x10
        try page.withUnsafeBytes { try spill.write($0, at: 0) }
        await #expect { _ = try await test.commit() } throws: { ($0 as? StoreError)?.kind == .bodyUnreadable }
        await #expect(throws: Errno.ioError) { _ = try await test.file.load(0..<820) }
        #expect(test.store.object(test.key) == nil)
        #expect(test.file.isDirty)
        // A disk that comes to its senses: nothing is lost.
        try good.withUnsafeBytes { try spill.write($0, at: 0) }
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model)
    }

    @Test func anAppendToALargeObjectSendsTheTailOnly() async throws {
        let test = Self.make(base: Self.pattern(1000))
        try await test.append(Self.pattern(10))
        _ = try await test.commit()
        #expect(test.store.state.withLock { $0.sentBytes } == 10)
        #expect(test.store.state.withLock { $0.copiedBytes } == 1000)
        #expect(test.store.calls("GetObject") == 0)
        #expect(test.store.object(test.key)?.bytes == test.model)
    }

    @Test func aChangeOfAReplacedObjectFailsAndKeepsTheBytes() async throws {
        let test = Self.make(base: Self.pattern(1000))
        try await test.write(at: 500, [1, 2, 3])
        test.store.seed(test.key, [9])
        await #expect(throws: StoreError.self) { _ = try await test.commit() }
        #expect(test.file.isDirty)
        #expect(test.store.openUploads == 0)
        #expect(test.store.object(test.key)?.bytes == [9])
    }

    @Test func aCommitWhoseEndNobodySawIsRecognised() async throws {
        let test = Self.make(base: Self.pattern(10))
        try await test.write(at: 0, [1, 2, 3])
        // It takes effect, the answer is lost, and the look at it fails because the store says 500 from there on.
        test.store.setFault { operation, _ in operation == "PutObject" ? .loseAnswer(.timedOut) : nil }
        test.store.failHeads(true)
        await #expect(throws: StoreError.self) { _ = try await test.commit() }
        #expect(test.file.isDirty)
        test.store.setFault(nil)
        test.store.failHeads(false)
        try await test.write(at: 7, [4])
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == test.model)
        #expect(test.store.history(test.key).count == 2)
        try await test.check("settled")
    }

    @Test(.timeLimit(.minutes(15))) func discardingAbortsTheUploadAndFreesAll() async throws {
        let test = Self.make(streams: true)
        for index in 0..<10 { try await test.write(at: index * 40, Self.pattern(40)) }
        try await Self.eventually { test.store.openUploads == 1 }
        await test.file.discard()
        #expect(test.store.openUploads == 0)
        #expect(test.budget.used == 0)
        #expect(test.file.size == 0)
    }

    @Test func limitsOfSizeAreErrors() async throws {
        let test = Self.make()
        await #expect(throws: Errno.fileTooLarge) { _ = try await test.file.write(at: 1 << 20, [1]) }
        await #expect(throws: Errno.fileTooLarge) { try await test.file.truncate(to: 1 << 20 + 1) }
        await #expect(throws: Errno.fileTooLarge) { _ = try await test.file.write(at: .max, [1]) }
        await #expect(throws: Errno.invalidArgument) { _ = try await test.file.write(at: -1, [1]) }
        await #expect(throws: Errno.invalidArgument) { try await test.file.truncate(to: -1) }
        #expect(test.file.size == 0)
    }

    @Test(.timeLimit(.minutes(15)), arguments: [200, 1 << 20]) func appendsOfManyTasksAreWhole(budget: Int) async throws
    {
        let test = Self.make(budget: budget, streams: true)
        let file = test.file
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    for line in 0..<50 {
                        let bytes = Array("\(writer):\(line);".utf8)
                        if let now = bytes.withUnsafeBytes({ file.appendNow($0) }) {
                            _ = try now.get()
                        } else {
                            _ = try await file.append(bytes)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        _ = try await test.commit()
        let text = String(decoding: test.store.object(test.key)!.bytes, as: UTF8.self)
        let lines = text.split(separator: ";").map(String.init)
        #expect(lines.count == 400)
        for writer in 0..<8 {
            #expect(lines.filter { $0.hasPrefix("\(writer):") } == (0..<50).map { "\(writer):\($0)" })
        }
    }

    @Test(.timeLimit(.minutes(15))) func concurrentCommitsAndWritersLoseNothing() async throws {
        let test = Self.make(budget: 2000, streams: true)
        let file = test.file
        let store = test.store
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    for round in 0..<60 {
                        let bytes = [UInt8](repeating: UInt8(round + 1), count: 50)
                        _ = try await file.write(at: Int64(writer * 50), bytes)
                        if round % 7 == writer { _ = try await file.load(0..<200) }
                    }
                }
            }
            for committer in 0..<2 {
                group.addTask {
                    for round in 0..<20 {
                        let metadata = ObjectMetadata(user: ["mtime": "\(committer) \(round)"])
                        try await file.commit(
                            key: "file", metadata: metadata, if: .none, readBase: FileUnderTest.reader(file, store))
                    }
                }
            }
            try await group.waitForAll()
        }
        _ = try await test.commit()
        #expect(test.store.object(test.key)?.bytes == [UInt8](repeating: 60, count: 200))
        // Each version that others saw has every writer's round whole.
        for version in test.store.history(test.key) {
            for start in stride(from: 0, to: version.count, by: 50) {
                #expect(Set(version[start..<min(start + 50, version.count)]).count <= 1)
            }
        }
    }
}

/// Holds up whoever passes until it is opened.
final class Turnstile: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
