import Logging
import ObjectStore
import Synchronization
import SystemPackage

/// The content of one open file that is being written: staged bytes over a stored version, and the way into the bucket.
///
/// **Problem.** Objects are stored whole. A program writes where and when it likes, reads back what it wrote, and expects a
/// write to cost a memcpy; the bucket shall see a file whole or not at all (promise 2), a big file shall be on its way
/// before `close`, memory is bounded (promise 7), and a failed upload must not lose a byte.
///
/// **Design.** ``StagedContent``, a value under one lock, holds an ``ExtentMap``: each byte is staged, a zero, or in the base
/// version. Writes go to blocks of budgeted memory, and to a nameless file on disk (``SpillFile``) when the budget is
/// used up. ``commit(key:metadata:if:readBase:)`` pins a snapshot, asks ``UploadPlan`` and lets ``UploadRun`` do it, with
/// the lock free: writes that come meanwhile go to other bytes, and stay dirty for the next commit. When it fails, all is as
/// dirty as before.
///
/// **Streaming.** ``StreamingUpload`` picks the parts that a sequential writer left behind; they are sent while it goes on.
/// What to do with their bytes is a choice between evils, for no store gives back a part of an upload that is not
/// completed. Kept in memory they would fill it. Dropped, a program that reads back or patches what it wrote (pack files,
/// zip and mp4 headers) can only be served by completing the upload early, and others then see half a file. So they are moved to the
/// spill file, from memory to the page cache, after the store has them and off the writer's path; a writer who waits
/// for memory waits for its own parts and so runs at the network's pace. Dropped they are where the disk has less than
/// ``WritingLimits/minimumFreeDisk`` free, or where the opener asked for it (``WritingLimits/UploadedParts/dropped``), for
/// files that will not be read. Where neither memory nor disk has room, see ``makeRoom(for:else:)``. Then, and only then, a read, a write or a cut inside a dropped part completes the upload as
/// the file stands, under the target's precondition, and goes on from there as a change of the new version.
///
/// **Contract.** An upload is bound to key and metadata from its first part on. `uploadTarget` is asked then. A commit
/// tells in ``CommitResult/metadata`` what was really stored; if that is not what the caller wants he rewrites it by a copy
/// onto itself. To rename a file that has a streamed upload, commit it under the old name first: a commit to another key
/// sends all again, and fails if bytes are only in the upload. A caller who gives a precondition takes its ETag from
/// ``base`` when he calls, because an early completion changes that.
///
/// **Locks.** One, of this file. Under it the budget's and the spill file's are taken, never the other way round, and never is it held
/// over a request, the disk, or an allocation that may ask reclaimers.
final class StagedFile: Sendable {
    let store: any ObjectStore
    let budget: MemoryBudget
    let limits: WritingLimits
    let logger: Logger
    let uploadTarget: (@Sendable () -> UploadTarget?)?
    let state: Mutex<StagedContent>
    let waiters = Mutex(Waiters())

    struct Waiters {
        var next: UInt64 = 0
        var continuations: [UInt64: CheckedContinuation<Void, Never>] = [:]
    }

    /// A file whose content is `base`, or an empty one that has never been stored.
    ///
    /// - Parameter uploadTarget: what an upload that begins before the commit makes; asked once for each, when its first part is
    ///   full, without a lock. Nil, or an answer of nil: nothing is sent before the commit.
    init(
        base: ObjectVersion?, store: any ObjectStore, budget: MemoryBudget, limits: WritingLimits, logger: Logger,
        uploadTarget: (@Sendable () -> UploadTarget?)? = nil
    ) {
        precondition(!limits.blockSizes.isEmpty)
        self.store = store
        self.budget = budget
        self.limits = limits
        self.logger = logger
        self.uploadTarget = uploadTarget
        state = Mutex(StagedContent(base: base))
    }

    deinit {
        if let reclaimer = state.withLock({ $0.reclaimer }) { limits.disk.removeReclaimer(reclaimer) }
        // No task of the file runs any more: each holds it. What an owner forgot to discard is not left in the bucket.
        if let session = state.withLock({ $0.stream.session }) {
            let store = store
            Task { try? await store.abortUpload(session.upload) }
        }
    }

    // MARK: Asking

    /// The file's size in bytes.
    var size: Int64 { state.withLock { $0.map.size } }

    /// Whether there is something to store: the content is not the base's, or there is no base.
    var isDirty: Bool { state.withLock { $0.isDirty } }

    /// The version that the content builds on; nil where the file has never been stored.
    var base: ObjectVersion? { state.withLock { $0.base } }

    /// Whether part of the content is still the base version's: what is stored then rests on that version.
    var keepsBase: Bool {
        state.withLock { state in
            !state.hasForeignBase && state.map.extents.contains { if case .object = $0.source { true } else { false } }
        }
    }

    /// How the content was changed since it was the base's.
    var changes: StagedContent.Changes { state.withLock { $0.changes } }

    /// Puts what was appended behind a version that somebody else has stored since the base. False, and nothing done, where more
    /// was done than appending. An upload that was begun is aborted: one request.
    func moveAppends(behind version: ObjectVersion) async -> Bool {
        await move { [store] in $0.moveAppends(behind: version, limit: store.features.maximumObjectSize) }
    }

    /// Lays what was changed over another host's version. False where that cannot be.
    func moveChanges(onto version: ObjectVersion) async -> Bool {
        await move { $0.moveChanges(onto: version) }
    }

    private func move(_ body: (inout StagedContent) -> Bool) async -> Bool {
        let (isMoved, session) = state.withLock { state in
            let session = state.stream.session
            return (body(&state), session)
        }
        if isMoved, let session { await abort(session.upload) }
        return isMoved
    }

    /// Whether parts are being sent, or have been, ahead of the commit. A rename then commits first.
    var isStreaming: Bool { state.withLock { $0.stream.session != nil || $0.stream.isBusy } }

    /// The same content is now under another name or version, as after a rename on the bucket. False, and nothing done,
    /// during a commit, or where the sizes differ.
    func rebase(to version: ObjectVersion) -> Bool {
        state.withLock { state in
            guard !state.isCommitting, !state.hasForeignBase, state.base?.size == version.size else { return false }
            state.base = version
            return true
        }
    }

    // MARK: Writing

    /// Writes from memory to memory: all bytes or none. Nil where that takes disk, network or waiting: ask
    /// ``write(at:_:)``. One copy of the bytes.
    ///
    /// Errors: EFBIG beyond the store's largest object, EINVAL for a negative offset.
    func writeNow(at offset: Int64, _ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno>? {
        placeNow(bytes, at: offset)
    }

    /// Writes at the end as it is at that moment.
    func appendNow(_ bytes: UnsafeRawBufferPointer) -> Result<Int, Errno>? { placeNow(bytes, at: nil) }

    /// Writes all bytes. Waits for the file's own parts where memory is short, goes to the disk where there are none.
    ///
    /// Errors: as ``writeNow(at:_:)``; ENOSPC or EIO of the disk; EINTR when the task is cancelled; those of a commit where an upload has to
    /// be completed first. Nothing is written then.
    func write(at offset: Int64, _ bytes: [UInt8]) async throws(Errno) -> Int {
        try await place(bytes, at: offset)
    }

    /// Writes at the end as it is at the moment when the bytes are taken.
    func append(_ bytes: [UInt8]) async throws(Errno) -> Int { try await place(bytes, at: nil) }

    /// Sets the size, from memory; nil where an upload has to be completed first.
    func truncateNow(to size: Int64) -> Result<Void, Errno>? {
        switch state.withLock({ $0.truncate(to: size, limit: store.features.maximumObjectSize) }) {
        case .done: .success(())
        case .failed(let error): .failure(error)
        case .needsBlock, .mustWait, .needsUploadedBytes: nil
        }
    }

    /// Sets the size: growing adds zeros, what shrinking cuts off is gone for good.
    ///
    /// Errors: EFBIG, EINVAL; those of a commit where an upload has to be completed first.
    func truncate(to size: Int64) async throws(Errno) {
        while true {
            if let result = truncateNow(to: size) {
                await trimSpill()
                return try result.get()
            }
            try await completeEarly()
        }
    }

    /// Makes `range` zeros: as far as the file goes, or beyond, which grows it.
    ///
    /// Errors: EFBIG, EINVAL; those of a commit where an upload has to be completed first.
    func zero(_ range: Range<Int64>, keepsSize: Bool) async throws(Errno) {
        while true {
            let placement = state.withLock {
                $0.zero(range, keepsSize: keepsSize, limit: store.features.maximumObjectSize)
            }
            switch placement {
            case .done: return await trimSpill()
            case .failed(let error): throw error
            case .needsBlock, .mustWait, .needsUploadedBytes: try await completeEarly()
            }
        }
    }

    /// Whether content is to be copied from another file's version.
    var hasForeignBase: Bool { state.withLock { $0.hasForeignBase } }

    /// Puts `range` of another file's version at `offset`: the next commit copies it inside the store. False, and nothing done, where
    /// that cannot be: the bytes then have to be written.
    func copy(_ range: Range<Int64>, of version: ObjectVersion, to offset: Int64) -> Bool {
        state.withLock { $0.copy(range, of: version, to: offset, limit: store.features.maximumObjectSize) }
    }

    /// The first byte at or behind `offset` that is data, or in a hole; nil where there is none.
    func seek(from offset: Int64, to target: SeekTarget) -> Int64? {
        state.withLock { $0.map.seek(from: offset, to: target) }
    }

    private func placeNow(_ bytes: UnsafeRawBufferPointer, at offset: Int64?) -> Result<Int, Errno>? {
        var fresh: StagingBlock?
        // The second round has its block, unless another writer was quicker; then the slow path may sort it out.
        for _ in 0..<3 {
            switch placeOnce(bytes, at: offset, fresh: fresh) {
            case .done: return .success(bytes.count)
            case .failed(let error): return .failure(error)
            case .needsUploadedBytes, .mustWait: return nil
            case .needsBlock(let capacity, let least, _):
                // Given back first: two blocks at once may be more than there is.
                fresh = nil
                guard let block = takeBlock(capacity, least) else { return nil }
                fresh = block
            }
        }
        return nil
    }

    private func place(_ bytes: [UInt8], at offset: Int64?) async throws(Errno) -> Int {
        var fresh: StagingBlock?
        while true {
            if Task.isCancelled { throw .interrupted }
            let placement = bytes.withUnsafeBytes { placeOnce($0, at: offset, fresh: fresh) }
            switch placement {
            case .done: return bytes.count
            case .failed(let error): throw error
            case .needsUploadedBytes: try await completeEarly()
            case .mustWait(let progress): await wait { $0.progress != progress || !$0.stream.isBusy }
            case .needsBlock(let capacity, let least, let progress):
                fresh = nil
                fresh = takeBlock(capacity, least)
                if fresh != nil { continue }
                if state.withLock({ $0.stream.isBusy }) {
                    await wait { $0.progress != progress || !$0.stream.isBusy }
                } else {
                    let isDone = await withTaskExecutorPreference(DiskExecutor.shared) {
                        await self.spill(bytes, at: offset)
                    }
                    do throws(Errno) {
                        if try isDone.get() { return bytes.count }
                    } catch {
                        guard error == .noSpace || error == .diskQuotaExceeded else { throw error }
                        fresh = try await makeRoom(for: least, else: error)
                    }
                }
            }
        }
    }

    private func takeBlock(_ capacity: Int, _ least: Int) -> StagingBlock? {
        if let block = StagingBlock.inMemory(capacity: capacity, budget: budget) { return block }
        return least < capacity ? StagingBlock.inMemory(capacity: least, budget: budget) : nil
    }

    private func placeOnce(_ bytes: UnsafeRawBufferPointer, at offset: Int64?, fresh: StagingBlock?)
        -> StagedContent.Placement
    {
        let features = store.features
        let (placement, jobs) = state.withLock { state in
            let placement = state.place(
                bytes, at: offset ?? state.map.size, appended: offset == nil, fresh: fresh, limits: limits,
                limit: features.maximumObjectSize)
            guard case .done = placement else { return (placement, [StreamingJob]()) }
            return (placement, self.jobs(&state, features))
        }
        start(jobs)
        return placement
    }

    /// Writes to the disk; false where the file is such that this must not be: start over.
    private func spill(_ bytes: [UInt8], at offset: Int64?) async -> Result<Bool, Errno> {
        do throws(Errno) {
            return .success(try spillWaiting(bytes, at: offset))
        } catch {
            return .failure(error)
        }
    }

    private func spillWaiting(_ bytes: [UInt8], at offset: Int64?) throws(Errno) -> Bool {
        let features = store.features
        let file = try spillFile()
        // Space is taken under the lock, filled without it, and named by an extent under it: nobody sees it half written.
        let (found, position): (StagingBlock?, Int) = state.withLock { state in
            let at = offset ?? state.map.size
            let isSequential = at == state.run.upperBound
            if isSequential, let tail = state.spillTail, tail.room >= bytes.count {
                let start = tail.used
                tail.used += bytes.count
                return (tail, start)
            }
            let size = limits.disk.limit == .max ? limits.spillBlockSize : min(limits.spillBlockSize, 64 << 10)
            let capacity = isSequential ? max(size, bytes.count) : bytes.count
            guard let block = StagingBlock.onDisk(file, capacity: capacity, for: .needed, budget: limits.disk) else {
                return (nil, 0)
            }
            block.used = bytes.count
            if isSequential { state.spillTail = block }
            return (block, 0)
        }
        guard let block = found else { throw .noSpace }
        do throws(SpillError) {
            try bytes.withUnsafeBufferPointer { buffer throws(SpillError) in
                try block.write(UnsafeRawBufferPointer(buffer), at: position)
            }
        } catch {
            // What was handed out of the tail stays unused: no extent names it.
            let isFull = error.errno == .noSpace || error.errno == .diskQuotaExceeded
            logger.log(
                level: isFull ? .info : .error, "the spill file cannot be written",
                metadata: ["directory": "\(limits.spillDirectory)", "error": "\(error.errno)"])
            throw error.errno
        }
        let (refusal, isDone, jobs) = state.withLock { state -> (Errno?, Bool, [StreamingJob]) in
            let at = offset ?? state.map.size
            if let refusal = state.refusal(of: bytes.count, at: at, limit: features.maximumObjectSize) {
                return (refusal, false, [])
            }
            let range = at..<at + Int64(bytes.count)
            if state.map.hasUploadedBytes(in: range) { return (nil, false, []) }
            state.map.write(range, .staged(block, offset: position))
            state.wrote(range, appended: offset == nil)
            return (nil, true, self.jobs(&state, features))
        }
        if let refusal { throw refusal }
        start(jobs)
        file.trim(above: limits.spillSlack)
        return isDone
    }

    /// The spill file, made when it is first needed: 1 open(2).
    func spillFile() throws(Errno) -> SpillFile {
        if let file = state.withLock({ $0.spill }) { return file }
        do throws(SpillError) {
            let file = try SpillFile(directory: limits.spillDirectory)
            return state.withLock { state in
                if let other = state.spill { return other }
                state.spill = file
                return file
            }
        } catch {
            logger.error(
                "no spill file can be made",
                metadata: ["directory": "\(limits.spillDirectory)", "error": "\(error.errno)"])
            throw error.errno
        }
    }

    /// Gives freed disk space back.
    func trimSpill() async {
        guard let file = state.withLock({ $0.spill }), file.hasFreeSpace else { return }
        await withTaskExecutorPreference(DiskExecutor.shared) { await Self.trim(file, above: 0) }
    }

    private static func trim(_ file: SpillFile, above threshold: Int64) async { file.trim(above: threshold) }

    // MARK: Waiting

    /// Waits until `condition` holds; ends early when the task is cancelled.
    func wait(until condition: (borrowing StagedContent) -> Bool) async {
        while true {
            let id = waiters.withLock { waiters in
                waiters.next += 1
                return waiters.next
            }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    // Registered before the state is looked at, so that no change in between goes unseen.
                    waiters.withLock { $0.continuations[id] = continuation }
                    if Task.isCancelled || state.withLock({ condition($0) }) {
                        waiters.withLock { $0.continuations.removeValue(forKey: id) }?.resume()
                    }
                }
            } onCancel: {
                waiters.withLock { $0.continuations.removeValue(forKey: id) }?.resume()
            }
            if Task.isCancelled || state.withLock({ condition($0) }) { return }
        }
    }

    /// Lets all who wait look again.
    func wake() {
        let continuations = waiters.withLock { waiters in
            defer { waiters.continuations = [:] }
            return Array(waiters.continuations.values)
        }
        for continuation in continuations { continuation.resume() }
    }
}
