import Logging
import ObjectStore
import Synchronization

/// Reads one version of an object for all the handles that have it open.
///
/// A GET's round trip costs more than the bytes of a small file, and a mount's memory is bounded; so this class fetches ahead
/// of sequential readers with many requests at once, fetches exactly what random readers ask for, never asks for a byte
/// twice while it is here or under way, and drops what has been read. Who reads how is decided by each handle's
/// ``ReadWindow``, what is here and who waits for it is kept by ``ChunkTable``; this class locks, asks them, unlocks and
/// acts. No lock is held over a wait. Locks nest in one order only: a request's own (``RangeSink``), this class's, the
/// budget's.
///
/// Bytes are copied once, from the HTTP library's buffer into a slab, where a reply points until the kernel has taken it.
/// Each slab is reserved in the memory budget before its request is sent, and for as long as it lives. Reading ahead takes
/// only memory that is free, up to three quarters of the budget; what a read itself needs waits for its turn.
///
/// All requests carry `If-Match`, and the answers are checked as well. A failed request gives its error to the reads that
/// wait for it and is then forgotten, so that a later read tries again; the store's layer has made its retries before.
final class ObjectReader: Sendable {
    private enum Outcome: Sendable {
        case here([ReadReply.Segment])
        case failed(StoreError)
        case missing
    }

    private struct State {
        var version: ObjectVersion
        var table = ChunkTable()
        var requests: [ChunkTable.ChunkID: Task<Void, Never>] = [:]
        var waiting: [ChunkTable.WaiterID: CheckedContinuation<Outcome, Never>] = [:]
        var nextWaiter: ChunkTable.WaiterID = 0
        /// The handles that have read, and what each still has a use for.
        var streams: [ObjectIdentifier: (stream: ReadStream, kept: [Range<Int64>])] = [:]
        /// No reading ahead after a failure, until something wanted has arrived.
        var aheadSuspended = false
        var isDiscarded = false
        var reclaimer: UInt64?

        var kept: [Range<Int64>] { streams.values.flatMap(\.kept) }
    }

    private let store: any ObjectStore
    private let budget: MemoryBudget
    private let limits: ReadingLimits
    private let logger: Logger
    /// The version's size in bytes.
    let size: Int64
    private let state: Mutex<State>

    /// A reader that holds nothing yet. No request.
    init(version: ObjectVersion, store: any ObjectStore, budget: MemoryBudget, limits: ReadingLimits, logger: Logger) {
        self.store = store
        self.budget = budget
        self.limits = limits
        self.logger = logger
        size = version.size
        state = Mutex(State(version: version))
    }

    deinit {
        if let reclaimer = state.withLock({ $0.reclaimer }) { budget.removeReclaimer(reclaimer) }
    }

    /// The version that is read.
    var version: ObjectVersion { state.withLock { $0.version } }

    /// How many reads wait for bytes now.
    var waitingReads: Int { state.withLock { $0.waiting.count } }

    /// The same content is now under another key or has another ETag: a rename on the bucket. Requests under way that fail for
    /// it go on there. The size does not change.
    func moved(to version: ObjectVersion) {
        precondition(version.size == size, "another size is another content")
        state.withLock { $0.version = version }
    }

    // MARK: Reading

    /// Answers from memory, without a wait or a copy. On a miss it sends the requests for what is missing and returns nil:
    /// ``read(offset:length:stream:)`` with the same arguments then waits for them. Either way the handle's window learns
    /// of the read, and requests ahead are sent.
    func readNow(offset: Int64, length: Int, stream: ReadStream) -> ReadReply? {
        guard let range = clip(offset, length) else { return ReadReply() }
        let plan = stream.read(range, size: size)
        guard case .here(let segments) = state.withLock({ $0.table.availability(of: range) }) else {
            act(on: plan, for: stream)
            return nil
        }
        // What a miss would fetch is here; the rest of the plan is needed only now and then.
        keep(plan, for: stream)
        if let ahead = plan.ahead { fetchAhead(ahead, plan.requestSize, for: stream) }
        return ReadReply(segments: segments)
    }

    /// Reads, waiting for what is not in memory: at most one request for each missing part of up to 8 MiB, none where it is
    /// under way. Fewer bytes than asked for mean the end of the file.
    /// - Throws: what the request that was waited for failed with; `preconditionFailed` where the object is another version
    ///   now; `cancelled` when the task is cancelled.
    func read(offset: Int64, length: Int, stream: ReadStream) async throws(StoreError) -> ReadReply {
        guard let range = clip(offset, length) else { return ReadReply() }
        let plan = stream.read(range, size: size)
        act(on: plan, for: stream)
        // Memory may be so short that one part is dropped while another arrives: then the read takes what it needs at once.
        for _ in 0..<3 {
            switch await wait(for: range) {
            case .here(let segments):
                giveBackWhatIsShort()
                return ReadReply(segments: segments)
            case .failed(let error): throw error
            case .missing: fetch(plan)
            }
        }
        return ReadReply(segments: [try await readAlone(range)])
    }

    /// Reads `range`, which lies in the object, into memory of the caller's: for uploads of parts that are partly changed.
    /// Copies what is in memory; one request, straight into the buffer, for each part that is not.
    /// - Throws: as ``read(offset:length:stream:)``.
    func read(_ range: Range<Int64>, into buffer: UnsafeMutableRawBufferPointer) async throws(StoreError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= size && buffer.count >= range.count)
        nonisolated(unsafe) let buffer = buffer
        var position = range.lowerBound
        while position < range.upperBound {
            let gap = state.withLock { $0.table.firstGap(in: position..<range.upperBound) }
            let here = position..<(gap?.lowerBound ?? range.upperBound)
            if !here.isEmpty {
                switch await wait(for: here) {
                case .here(let segments):
                    var offset = Int(position - range.lowerBound)
                    for segment in segments {
                        UnsafeMutableRawBufferPointer(rebasing: buffer[offset...]).copyMemory(from: segment.bytes)
                        offset += segment.bytes.count
                    }
                    position = here.upperBound
                case .failed(let error): throw error
                case .missing: continue
                }
            }
            if let gap, gap.lowerBound == position {
                try await get(gap) { offset, bytes in
                    UnsafeMutableRawBufferPointer(rebasing: buffer[Int(offset - range.lowerBound)...])
                        .copyMemory(from: bytes)
                }
                position = gap.upperBound
            }
        }
    }

    /// Sends the first request of a handle before its first read: up to 1 MiB from the beginning, as far as memory is free.
    func prefetch(_ stream: ReadStream) {
        guard let plan = stream.prefetch(size: size) else { return }
        keep(plan, for: stream)
        fetchAhead(plan.fetch, plan.requestSize, for: stream)
    }

    /// Takes over all bytes of the version, which somebody has fetched with its ETag. No copy. Dropped where some are here already.
    func adopt(_ slab: ReservedSlab) {
        precondition(slab.capacity == Int(size) && size <= limits.slabSize, "not the version's bytes")
        let isFirst = state.withLock { state in
            guard !state.isDiscarded,
                let id = state.table.insert(0..<size, slabs: [slab], slabSize: limits.slabSize)
            else { return false }
            // Nobody waits for them: what a read waits for is a chunk that this one would overlap.
            _ = state.table.advance(id, to: size)
            return state.reclaimer == nil
        }
        if isFirst { addReclaimer() }
    }

    // MARK: The end of a handle, and of the version

    /// A handle was released: cancels requests that only it wanted, and drops what only it had a use for.
    func close(_ stream: ReadStream) {
        drop { state in
            state.streams[ObjectIdentifier(stream)] = nil
            return state.table.trim(to: state.kept, tail: 0)
        }
    }

    /// The version is gone or replaced: drops all memory and cancels all requests. Reads that wait fail with
    /// `preconditionFailed`; later ones ask the store, which then has the last word.
    func discard() {
        var failed: [CheckedContinuation<Outcome, Never>] = []
        drop { state in
            state.isDiscarded = true
            state.streams = [:]
            let (dropped, waiters) = state.table.removeAll()
            failed = waiters.compactMap { state.waiting.removeValue(forKey: $0) }
            return dropped
        }
        let error = StoreError(
            .preconditionFailed, operation: "GetObject", key: version.key, message: "the object was replaced")
        for read in failed { read.resume(returning: .failed(error)) }
    }

    // MARK: Sending requests

    private func clip(_ offset: Int64, _ length: Int) -> Range<Int64>? {
        guard offset >= 0, offset < size, length > 0 else { return nil }
        return offset..<offset + min(Int64(length), size - offset)
    }

    private func act(on plan: ReadWindow.Plan, for stream: ReadStream) {
        keep(plan, for: stream)
        fetch(plan)
        if let ahead = plan.ahead { fetchAhead(ahead, plan.requestSize, for: stream) }
    }

    private func keep(_ plan: ReadWindow.Plan, for stream: ReadStream) {
        guard let kept = plan.kept else { return }
        drop { state in
            state.streams[ObjectIdentifier(stream)] = (stream, kept)
            return state.table.trim(to: state.kept, tail: limits.finishingTail)
        }
    }

    /// Requests what is missing of what a read wants. Does not wait: a chunk for which there is no memory waits itself.
    private func fetch(_ plan: ReadWindow.Plan) {
        var wanted = plan.wanted
        while let gap = state.withLock({ $0.table.firstGap(in: wanted, within: plan.fetch) }) {
            let first = max(gap.lowerBound, wanted.lowerBound)
            let piece = gap.lowerBound..<min(gap.upperBound, max(gap.lowerBound + plan.requestSize, first + 1))
            let least = piece.clamped(to: plan.wanted)
            if budget.tryReserve(piece.count) {
                request(piece, isReserved: true)
            } else if least != piece, budget.tryReserve(least.count) {
                request(least, isReserved: true)
            } else {
                request(least, isReserved: false)
            }
            guard piece.upperBound < wanted.upperBound else { return }
            wanted = piece.upperBound..<wanted.upperBound
        }
    }

    /// Requests what is missing of `range`, in requests of `requestSize`, as far as memory is free.
    private func fetchAhead(_ range: Range<Int64>, _ requestSize: Int64, for stream: ReadStream) {
        var position = range.lowerBound
        while position < range.upperBound {
            let next = state.withLock { state in
                state.aheadSuspended || state.isDiscarded
                    ? nil : state.table.firstGap(in: position..<range.upperBound)
            }
            guard let gap = next else { return }
            let piece = gap.lowerBound..<min(gap.upperBound, gap.lowerBound + requestSize)
            guard budget.used + piece.count <= budget.limit / 4 * 3, budget.tryReserve(piece.count) else {
                stream.granted(upTo: gap.lowerBound)
                return
            }
            request(piece, isReserved: true)
            position = piece.upperBound
        }
    }

    /// Sends a GET for `range`, unless another thread has just done so for a part of it.
    private func request(_ range: Range<Int64>, isReserved: Bool) {
        // Freed, if there is no use for them, after the lock.
        let slabs = isReserved ? self.slabs(for: range) : nil
        let id = state.withLock { $0.table.insert(range, slabs: slabs, slabSize: limits.slabSize) }
        guard let id else { return }
        let task = Task { await self.run(id, range, isReserved: isReserved) }
        let (isNeeded, isFirst) = state.withLock { state in
            guard state.table.contains(id), !state.table.isComplete(id) else {
                return (state.table.contains(id), false)
            }
            state.requests[id] = task
            return (true, state.reclaimer == nil)
        }
        if !isNeeded { task.cancel() }
        if isFirst { addReclaimer() }
    }

    private func slabs(for range: Range<Int64>) -> [ReservedSlab] {
        ReservedSlab.pieces(of: Int64(range.count), pieceSize: limits.slabSize, reservedIn: budget)
    }

    /// Fills a chunk.
    private func run(_ id: ChunkTable.ChunkID, _ range: Range<Int64>, isReserved: Bool) async {
        do throws(StoreError) {
            if !isReserved {
                do { try await budget.reserve(range.count) } catch { throw cancelled() }
                let slabs = self.slabs(for: range)
                guard state.withLock({ $0.table.provide(id, slabs: slabs) }) else { return }
            }
            try await get(range) { position, bytes in self.land(bytes, in: id, at: position) }
            state.withLock { state in
                state.requests[id] = nil
                state.aheadSuspended = false
            }
            giveBackWhatIsShort()
        } catch {
            fail(id, with: error)
        }
    }

    /// One GET of a range of the version, repeated only where the version was moved meanwhile.
    private func get(_ range: Range<Int64>, deliver: @escaping @Sendable (Int64, UnsafeRawBufferPointer) -> Void)
        async throws(StoreError)
    {
        var position = range.lowerBound
        while true {
            let version = self.version
            let sink = RangeSink(position..<range.upperBound, of: version, deliver: deliver)
            defer { sink.close() }
            do throws(StoreError) {
                try await store.get(
                    version.key, range: position..<range.upperBound, ifMatch: version.etag, into: sink)
                if let failure = sink.failure() { throw failure }
                return
            } catch {
                sink.close()
                position = sink.position
                let isMove = error.kind == .notFound || error.kind == .preconditionFailed
                guard isMove, version != self.version, position < range.upperBound else { throw error }
            }
        }
    }

    /// Bytes have come from the HTTP thread: one copy, and the reads that waited for them go on.
    private func land(_ bytes: UnsafeRawBufferPointer, in id: ChunkTable.ChunkID, at position: Int64) {
        var bytes = bytes
        var position = position
        while !bytes.isEmpty {
            guard let (slab, offset) = state.withLock({ $0.table.destination(id, at: position) }) else { return }
            let count = min(bytes.count, slab.capacity - offset)
            UnsafeMutableRawBufferPointer(rebasing: slab.bytes[offset...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            bytes = UnsafeRawBufferPointer(rebasing: bytes[count...])
            position += Int64(count)
        }
        let reads = state.withLock { state in
            state.table.advance(id, to: position).compactMap { resolved in
                state.waiting.removeValue(forKey: resolved.waiter).map { ($0, resolved.segments) }
            }
        }
        for (read, segments) in reads { read.resume(returning: segments.map { .here($0) } ?? .missing) }
    }

    private func fail(_ id: ChunkTable.ChunkID, with error: StoreError) {
        let failed: (slabs: [ReservedSlab], reads: [CheckedContinuation<Outcome, Never>])? = state.withLock { state in
            state.requests[id] = nil
            guard let (slabs, waiters) = state.table.fail(id) else { return nil }
            state.aheadSuspended = true
            return (slabs, waiters.compactMap { state.waiting.removeValue(forKey: $0) })
        }
        guard let failed else { return }
        if failed.reads.isEmpty { logger.debug("a read ahead failed", metadata: ["error": "\(error)"]) }
        for read in failed.reads { read.resume(returning: .failed(error)) }
        giveBackWhatIsShort()
    }

    // MARK: Waiting

    private func wait(for range: Range<Int64>) async -> Outcome {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Outcome? = state.withLock { state in
                    if Task.isCancelled { return .failed(cancelled(state.version.key)) }
                    switch state.table.availability(of: range) {
                    case .here(let segments): return .here(segments)
                    case .missing: return .missing
                    case .underWay:
                        state.table.wait(id, for: range)
                        state.waiting[id] = continuation
                        return nil
                    }
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            var read: CheckedContinuation<Outcome, Never>?
            drop { state in
                read = state.waiting.removeValue(forKey: id)
                return state.table.abandon(id, kept: state.kept) ?? ChunkTable.Dropped()
            }
            read?.resume(returning: .failed(cancelled()))
        }
    }

    /// Reads a range into memory of its own, waiting for that with nothing in hand: for when memory is so short that the parts
    /// of a read would push each other out. One request, which may fetch bytes that another has fetched.
    private func readAlone(_ range: Range<Int64>) async throws(StoreError) -> ReadReply.Segment {
        do { try await budget.reserve(range.count) } catch { throw cancelled() }
        let slab = ReservedSlab(capacity: range.count, reservedIn: budget)
        try await get(range) { offset, bytes in
            UnsafeMutableRawBufferPointer(rebasing: slab.bytes[Int(offset - range.lowerBound)...])
                .copyMemory(from: bytes)
        }
        return ReadReply.Segment(bytes: UnsafeRawBufferPointer(slab.bytes), owner: slab)
    }

    private func cancelled(_ key: ObjectKey? = nil) -> StoreError {
        StoreError(.cancelled, operation: "GetObject", key: key ?? version.key)
    }

    // MARK: Giving memory back

    /// Drops chunks as `change` says, under the lock; frees their memory and cancels their requests after it.
    private func drop(_ change: (inout State) -> ChunkTable.Dropped) {
        let (dropped, requests) = state.withLock { state in
            let dropped = change(&state)
            return (dropped, dropped.chunks.compactMap { state.requests.removeValue(forKey: $0) })
        }
        for request in requests { request.cancel() }
        _ = consume dropped
    }

    // Who waits for memory has asked once already, when what is free to go now was still in use.
    private func giveBackWhatIsShort() {
        let shortage = budget.shortage
        if shortage > 0 { reclaim(shortage) }
    }

    private func reclaim(_ wanted: Int) {
        var reads: [CheckedContinuation<Outcome, Never>] = []
        var streams: [ReadStream] = []
        var lowest: Int64?
        drop { state in
            var dropped = state.table.trim(to: state.kept, tail: 0)
            guard dropped.size < wanted else { return dropped }
            let (more, resolved) = state.table.reclaim(wanted - dropped.size)
            dropped.slabs += more.slabs
            dropped.chunks += more.chunks
            lowest = more.lowest
            reads = resolved.compactMap { state.waiting.removeValue(forKey: $0.waiter) }
            streams = state.streams.values.map(\.stream)
            return dropped
        }
        if let lowest { for stream in streams { stream.granted(upTo: lowest) } }
        for read in reads { read.resume(returning: .missing) }
    }

    private func addReclaimer() {
        let id = budget.addReclaimer { [weak self] wanted in self?.reclaim(wanted) }
        let isSecond = state.withLock { state in
            defer { state.reclaimer = state.reclaimer ?? id }
            return state.reclaimer != nil
        }
        if isSecond { budget.removeReclaimer(id) }
    }
}
