import Logging
import ObjectStore
import Synchronization
import Testing

@testable import FileSystem

private let kib = 1 << 10
private let mib = 1 << 20
private let tag = ETag("v1")

/// A store with one object `k`, and a reader of it.
private struct Bench {
    let store: PatternStore
    let budget: MemoryBudget
    let reader: ObjectReader
    let stream = ReadStream()

    init(
        size: Int, memory: Int = 256 << 20, store: PatternStore? = nil,
        before: @escaping @Sendable (Int, Int64) async throws(StoreError) -> Void = { _, _ in await Task.yield() }
    ) {
        self.store = store ?? PatternStore(["k": .init(size: Int64(size), etag: tag)], before: before)
        budget = MemoryBudget(limit: memory)
        reader = ObjectReader(
            version: ObjectVersion(key: "k", etag: tag, size: Int64(size)), store: self.store, budget: budget,
            limits: ReadingLimits(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func read(_ offset: Int, _ length: Int, _ stream: ReadStream? = nil) async throws(StoreError) -> ReadReply {
        let stream = stream ?? self.stream
        if let reply = reader.readNow(offset: Int64(offset), length: length, stream: stream) { return reply }
        return try await reader.read(offset: Int64(offset), length: length, stream: stream)
    }

    /// Closes the stream and checks that all memory came back and all requests ended.
    func finish(_ streams: [ReadStream] = []) async {
        for stream in streams + [stream] { reader.close(stream) }
        await eventually { store.active == 0 && budget.used == 0 }
        #expect(budget.peak <= budget.limit)
    }
}

private func expected(_ offset: Int, _ length: Int) -> [UInt8] {
    PatternStore.bytes(Int64(offset)..<Int64(offset + length))
}

private func noTwoRequestsForAByte(_ requests: [PatternStore.Request]) -> Bool {
    let ranges = requests.map(\.range).sorted { $0.lowerBound < $1.lowerBound }
    return zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound }
}

@Suite(.timeLimit(.minutes(15))) struct ObjectReaderTests {
    @Test func aSmallObjectIsOneRequest() async throws {
        let bench = Bench(size: 100 * kib)
        #expect(bench.reader.readNow(offset: 0, length: 4096, stream: bench.stream) == nil)
        #expect(try await bench.read(50 * kib, 4 * kib).bytes == expected(50 * kib, 4 * kib))
        #expect(try await bench.read(0, mib).bytes == expected(0, 100 * kib))
        #expect(bench.store.requests == [.init(key: "k", range: 0..<Int64(100 * kib), ifMatch: tag)])
        #expect(bench.budget.used == 100 * kib)
        await bench.finish()
    }

    @Test func theEndOfTheFile() async throws {
        let bench = Bench(size: 5000)
        #expect(bench.reader.readNow(offset: 5000, length: 10, stream: bench.stream)?.count == 0)
        #expect(bench.reader.readNow(offset: .max, length: .max, stream: bench.stream)?.count == 0)
        #expect(bench.reader.readNow(offset: -1, length: 10, stream: bench.stream)?.count == 0)
        #expect(bench.reader.readNow(offset: 0, length: 0, stream: bench.stream)?.count == 0)
        #expect(bench.store.requests.isEmpty)
        #expect(try await bench.read(4990, .max).bytes == expected(4990, 10))
        await bench.finish()
        let empty = Bench(size: 0)
        #expect(try await empty.read(0, 10).count == 0)
        #expect(empty.store.requests.isEmpty)
    }

    @Test func sequentialReadsFetchEachByteOnce() async throws {
        let size = 48 * mib + 777
        let bench = Bench(size: size)
        var offset = 0
        while offset < size {
            let reply = try await bench.read(offset, 128 * kib)
            #expect(reply.count == min(128 * kib, size - offset))
            #expect(reply.bytes == expected(offset, reply.count))
            offset += reply.count
        }
        let requests = bench.store.requests
        #expect(noTwoRequestsForAByte(requests))
        #expect(requests.reduce(0) { $0 + $1.range.count } == size)
        #expect(requests.allSatisfy { $0.range.count <= 8 * mib && $0.ifMatch == tag })
        #expect(bench.store.mostActive > 2)
        await bench.finish()
    }

    @Test func aReaderGoesOnAsSoonAsItsBytesAreThere() async throws {
        let gate = Gate()
        let bench = Bench(size: 4 * mib) { _, position in
            if position >= 256 * kib { await gate.pass() }
        }
        // The request is for 1 MiB and has stopped after 256 KiB.
        #expect(try await bench.read(0, 128 * kib).bytes == expected(0, 128 * kib))
        #expect(try await bench.read(128 * kib, 128 * kib).bytes == expected(128 * kib, 128 * kib))
        await gate.waitForArrivals(1)
        #expect(bench.reader.readNow(offset: Int64(128 * kib), length: 128 * kib, stream: bench.stream) != nil)
        #expect(bench.store.requests.first?.range == 0..<Int64(mib))
        gate.open()
        #expect(try await bench.read(256 * kib, 128 * kib).bytes == expected(256 * kib, 128 * kib))
        await bench.finish()
    }

    @Test func manyReadersOfTheSameBytesAreOneRequest() async throws {
        let gate = Gate()
        let bench = Bench(size: 800 * kib) { _, _ in await gate.pass() }
        let streams = (0..<20).map { _ in ReadStream() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, stream) in streams.enumerated() {
                group.addTask {
                    let reply = try await bench.read(index * 40 * kib, 40 * kib, stream)
                    #expect(reply.bytes == expected(index * 40 * kib, 40 * kib))
                }
            }
            await gate.waitForArrivals(1)
            gate.open()
            try await group.waitForAll()
        }
        #expect(bench.store.requests.count == 1)
        await bench.finish(streams)
    }

    @Test func aRepliedSegmentStaysAsItIs() async throws {
        let bench = Bench(size: 64 * mib, memory: 16 * mib)
        let reply = try await bench.read(0, mib)
        for offset in stride(from: mib, to: 64 * mib, by: mib) { _ = try await bench.read(offset, mib) }
        bench.reader.close(bench.stream)
        // Its slab is still counted, though nothing else is.
        await eventually { bench.store.active == 0 && bench.budget.used <= mib }
        #expect(bench.budget.used == mib)
        #expect(reply.bytes == expected(0, mib))
        withExtendedLifetime(reply) {}
    }

    @Test func randomReadsCostOneExactRequestEach() async throws {
        let bench = Bench(size: 1 << 32)
        var random = SeededRandom(seed: 0x5EED_0010)
        for _ in 0..<100 {
            let offset = Int.random(in: mib..<(1 << 32) - mib, using: &random) / 4096 * 4096
            #expect(try await bench.read(offset, 64 * kib).bytes == expected(offset, 64 * kib))
            #expect(bench.store.requests.last?.range == Int64(offset)..<Int64(offset + 64 * kib))
        }
        #expect(bench.store.requests.count == 100)
        // Only the last few are kept.
        #expect(bench.budget.used <= 4 * 64 * kib)
        await bench.finish()
    }

    // MARK: Failures

    @Test func aFailedRequestFailsItsReadersAndIsTriedAgain() async throws {
        let gate = Gate()
        let bench = Bench(size: 600 * kib) { number, position throws(StoreError) in
            guard number == 0, position >= 128 * kib else { return }
            await gate.pass()
            throw StoreError(.serverError, operation: "GetObject", status: 500)
        }
        // What came before the failure is good.
        #expect(try await bench.read(0, 64 * kib).bytes == expected(0, 64 * kib))
        let reads = (2..<5).map { index in Task { try await bench.read(index * 100 * kib, 100 * kib) } }
        await eventually { bench.reader.waitingReads == 3 }
        gate.open()
        for read in reads {
            let error = await #expect(throws: StoreError.self) { try await read.value }
            #expect(error?.kind == .serverError)
        }
        await eventually { bench.budget.used == 0 }
        #expect(try await bench.read(0, 600 * kib).bytes == expected(0, 600 * kib))
        #expect(bench.store.requests.count == 2)
        await bench.finish()
    }

    @Test func anotherVersionIsStale() async throws {
        let bench = Bench(size: 3 * mib)
        bench.store.put("k", .init(size: Int64(3 * mib), etag: ETag("v2"), seed: 2))
        let error = await #expect(throws: StoreError.self) { try await bench.read(0, 1000) }
        #expect(error?.kind == .preconditionFailed)
        await bench.finish()
    }

    @Test(arguments: [true, false])
    func aStoreThatIgnoresIfMatchIsFoundOut(sameSize: Bool) async throws {
        let object = PatternStore.Object(size: Int64(sameSize ? 3 * mib : 2 * mib), etag: ETag("v2"), seed: 2)
        let store = PatternStore(["k": object], honoursConditions: false)
        let bench = Bench(size: 3 * mib, store: store)
        let error = await #expect(throws: StoreError.self) { try await bench.read(0, 1000) }
        #expect(error?.kind == .preconditionFailed)
        await bench.finish()
    }

    @Test func aStoreThatIgnoresRangesIsReadAllTheSame() async throws {
        let store = PatternStore(["k": .init(size: Int64(4 * mib), etag: tag)], honoursRanges: false)
        let bench = Bench(size: 4 * mib, store: store)
        #expect(try await bench.read(2 * mib + 4096, 8192).bytes == expected(2 * mib + 4096, 8192))
        await bench.finish()
    }

    @Test func theObjectIsGone() async throws {
        let bench = Bench(size: 3 * mib)
        bench.store.put("k", nil)
        let error = await #expect(throws: StoreError.self) { try await bench.read(2 * mib, 1000) }
        #expect(error?.kind == .notFound)
        await bench.finish()
    }

    @Test func aFailedReadAheadIsNobodysError() async throws {
        let failing = Mutex(true)
        let bench = Bench(size: 16 * mib) { number, _ throws(StoreError) in
            if number > 0, failing.withLock({ $0 }) { throw StoreError(.unreachable, operation: "GetObject") }
        }
        for offset in stride(from: 0, to: mib, by: 128 * kib) {
            #expect(try await bench.read(offset, 128 * kib).bytes == expected(offset, 128 * kib))
        }
        await eventually { bench.store.active == 0 }
        failing.withLock { $0 = false }
        for offset in stride(from: mib, to: 16 * mib, by: 128 * kib) {
            #expect(try await bench.read(offset, 128 * kib).bytes == expected(offset, 128 * kib))
        }
        await bench.finish()
    }

    // MARK: Cancelling

    @Test func theLastReaderToGiveUpCancelsTheRequest() async throws {
        let gate = Gate()
        let bench = Bench(size: 8 * mib) { _, _ in await gate.pass() }
        let other = ReadStream()
        let first = Task { try await bench.reader.read(offset: 0, length: 1000, stream: bench.stream) }
        let second = Task { try await bench.reader.read(offset: 5000, length: 1000, stream: other) }
        await eventually { bench.reader.waitingReads == 2 }
        first.cancel()
        let error = await #expect(throws: StoreError.self) { try await first.value }
        #expect(error?.kind == .cancelled)
        second.cancel()
        await #expect(throws: StoreError.self) { try await second.value }
        await bench.finish([other])
        // Whatever was sent has been cancelled: nothing got through the gate.
        #expect(bench.store.cancelled == bench.store.requests.count)
    }

    @Test func closingTheLastHandleCancelsWhatItReadAhead() async throws {
        let gate = Gate()
        let bench = Bench(size: 64 * mib) { number, _ in if number > 0 { await gate.pass() } }
        for offset in stride(from: 0, to: mib, by: 128 * kib) { _ = try await bench.read(offset, 128 * kib) }
        await gate.waitForArrivals(1)
        #expect(bench.budget.used > 0)
        await bench.finish()
        #expect(bench.store.cancelled >= 1)
    }

    @Test func discardingFailsTheReadsThatWait() async throws {
        let gate = Gate()
        let bench = Bench(size: 8 * mib) { _, _ in await gate.pass() }
        let read = Task { try await bench.read(0, 1000) }
        await eventually { bench.reader.waitingReads == 1 }
        bench.reader.discard()
        let error = await #expect(throws: StoreError.self) { try await read.value }
        #expect(error?.kind == .preconditionFailed)
        // Cancelled, without the gate: all memory is back while the handle is still open.
        await eventually { bench.store.active == 0 && bench.budget.used == 0 }
        gate.open()
        // The store has the last word.
        #expect(try await bench.read(0, 1000).bytes == expected(0, 1000))
        await bench.finish()
    }

    // MARK: Moving

    @Test func aRenameUnderARequestIsFollowed() async throws {
        let gate = Gate()
        let bench = Bench(size: 3 * mib) { number, position throws(StoreError) in
            guard number == 0, position >= 64 * kib else { return }
            await gate.pass()
            throw StoreError(.notFound, operation: "GetObject", key: "k", status: 404)
        }
        bench.store.put("new", .init(size: Int64(3 * mib), etag: ETag("v1-copy")))
        let read = Task { try await bench.read(0, 128 * kib).bytes }
        await gate.waitForArrivals(1)
        bench.reader.moved(to: ObjectVersion(key: "new", etag: ETag("v1-copy"), size: Int64(3 * mib)))
        bench.store.put("k", nil)
        gate.open()
        #expect(try await read.value == expected(0, 128 * kib))
        // It went on where the bytes had stopped.
        #expect(
            bench.store.requests.last
                == .init(key: "new", range: Int64(64 * kib)..<Int64(mib), ifMatch: ETag("v1-copy")))
        #expect(bench.reader.version.key == "new")
        await bench.finish()
    }

    // MARK: Into a buffer

    @Test func readsIntoABufferFromMemoryAndStore() async throws {
        let bench = Bench(size: 32 * mib)
        _ = try await bench.read(10 * mib, 64 * kib)
        _ = try await bench.read(20 * mib, 64 * kib)
        let range = 9 * mib + 3..<21 * mib + 5
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: range.count, alignment: 1)
        defer { buffer.deallocate() }
        try await bench.reader.read(Int64(range.lowerBound)..<Int64(range.upperBound), into: buffer)
        #expect(Array(buffer) == expected(range.lowerBound, range.count))
        #expect(noTwoRequestsForAByte(bench.store.requests))
        await bench.finish()
    }

    @Test func aFailureWhileReadingIntoABuffer() async throws {
        let bench = Bench(size: 32 * mib) { _, position throws(StoreError) in
            if position > 3 * mib { throw StoreError(.badResponse, operation: "GetObject") }
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * mib, alignment: 1)
        defer { buffer.deallocate() }
        await #expect(throws: StoreError.self) { try await bench.reader.read(0..<Int64(4 * mib), into: buffer) }
        await bench.finish()
    }

    @Test func prefetchMakesTheFirstReadAHit() async throws {
        let bench = Bench(size: 10 * mib)
        bench.reader.prefetch(bench.stream)
        await eventually { bench.store.requests.count == 1 && bench.store.active == 0 }
        #expect(
            bench.reader.readNow(offset: 0, length: 128 * kib, stream: bench.stream)?.bytes == expected(0, 128 * kib))
        #expect(bench.store.requests.first?.range == 0..<Int64(mib))
        await bench.finish()
    }

    // MARK: Memory

    @Test func aSmallBudgetIsNeverExceeded() async throws {
        let size = 24 * mib
        let bench = Bench(size: size, memory: 4 * mib)
        let streams = (0..<6).map { _ in ReadStream() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, stream) in streams.enumerated() {
                group.addTask {
                    var offset = index * 3 * mib
                    while offset < size {
                        let reply = try await bench.read(offset, 256 * kib, stream)
                        #expect(reply.bytes == expected(offset, reply.count))
                        offset += reply.count
                    }
                }
            }
            try await group.waitForAll()
        }
        await bench.finish(streams)
    }

    @Test func readsThatNeedMoreThanThereIsTogetherAllFinish() async throws {
        // Each read spans two chunks, and memory holds one read: each would wait for the other's memory.
        let bench = Bench(size: 64 * mib, memory: mib)
        let streams = (0..<8).map { _ in ReadStream() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, stream) in streams.enumerated() {
                group.addTask {
                    for step in 0..<6 {
                        let offset = (index * 7 + step) * mib + 512 * kib
                        let reply = try await bench.read(offset, mib, stream)
                        #expect(reply.bytes == expected(offset, mib))
                    }
                }
            }
            try await group.waitForAll()
        }
        await bench.finish(streams)
    }

    @Test func memoryHeldByOthersIsWaitedFor() async throws {
        let bench = Bench(size: 8 * mib, memory: 2 * mib)
        #expect(bench.budget.tryReserve(2 * mib))
        let read = Task { try await bench.read(4 * mib, 64 * kib).bytes }
        await eventually { bench.budget.shortage > 0 }
        #expect(bench.store.requests.isEmpty)
        bench.budget.release(2 * mib)
        #expect(try await read.value == expected(4 * mib, 64 * kib))
        await bench.finish()
    }

    @Test func aWriterGetsTheMemoryThatWasReadAhead() async throws {
        let bench = Bench(size: 256 * mib, memory: 64 * mib)
        for offset in stride(from: 0, to: 32 * mib, by: mib) { _ = try await bench.read(offset, mib) }
        await eventually { bench.store.active == 0 }
        #expect(bench.budget.used > 16 * mib)
        #expect(bench.budget.tryReserve(60 * mib))
        // And the reader goes on with what is left.
        #expect(try await bench.read(32 * mib, mib).bytes == expected(32 * mib, mib))
        bench.budget.release(60 * mib)
        await bench.finish()
    }

    // MARK: At random

    @Test(arguments: [UInt64(11), 12, 13])
    func randomReadsOfManyHandlesAgainstTheModel(seed: UInt64) async throws {
        let size = 12 * mib + 4321
        let failures = Mutex(SeededRandom(seed: seed))
        let bench = Bench(size: size, memory: seed == 13 ? 2 * mib : 16 * mib) { _, _ throws(StoreError) in
            let chance = failures.withLock { random in Int.random(in: 0..<400, using: &random) }
            if chance == 0 { throw StoreError(.serverError, operation: "GetObject", status: 500) }
            if chance < 40 { await Task.yield() }
        }
        let streams = (0..<8).map { _ in ReadStream() }
        await withTaskGroup(of: Void.self) { group in
            for (index, stream) in streams.enumerated() {
                group.addTask {
                    var random = SeededRandom(seed: seed &* 100 &+ UInt64(index))
                    var offset = 0
                    for _ in 0..<150 {
                        if Int.random(in: 0..<6, using: &random) == 0 {
                            offset = Int.random(in: 0..<size, using: &random)
                        }
                        let length = Int.random(in: 1...300 * kib, using: &random)
                        let at = offset
                        let read = Task { try await bench.read(at, length, stream) }
                        if Int.random(in: 0..<10, using: &random) == 0 { read.cancel() }
                        switch await read.result {
                        case .success(let reply):
                            #expect(reply.count == min(length, size - at), "seed \(seed)")
                            #expect(reply.bytes == expected(at, reply.count), "seed \(seed)")
                        case .failure(let error):
                            let kind = (error as? StoreError)?.kind
                            #expect(kind == .serverError || kind == .cancelled, "seed \(seed)")
                        }
                        offset = (at + length) % size
                    }
                }
            }
        }
        await bench.finish(streams)
    }
}
