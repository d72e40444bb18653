import ObjectStore
import SystemPackage

/// The state of a ``StagedFile``: what it holds and how far its upload is. A value, kept under the file's lock; its methods
/// copy bytes in memory and do no other work.
struct StagedContent: Sendable {
    /// What became of a write.
    enum Placement: Sendable {
        /// All bytes are taken.
        case done
        /// A block is needed first: of `capacity` bytes, or of `least` where memory is short; `progress` is the state's count of
        /// that moment.
        case needsBlock(capacity: Int, least: Int, progress: UInt64)
        /// The writer is far enough ahead of its own upload: to be tried again after `progress` has grown.
        case mustWait(progress: UInt64)
        /// Bytes are concerned that only an upload under way has.
        case needsUploadedBytes
        /// No.
        case failed(Errno)
    }

    /// How the content has been changed since it was the base's.
    enum Changes: Sendable {
        /// Not at all.
        case none
        /// Bytes were added at the end, by writers who said that they want the end, wherever it is.
        case appends
        /// Otherwise too.
        case any
    }

    /// A commit of which nobody knows whether it took effect, or will.
    struct Unsettled: Sendable {
        var map: ExtentMap
        var pinned: PinnedExtents
        var target: UploadTarget
    }

    var map: ExtentMap
    var base: ObjectVersion?
    var changes = Changes.none
    /// The base is another file's version, of which a range is copied into this one by its next commit.
    var hasForeignBase = false
    /// The block in memory that the next bytes go to.
    var tail: StagingBlock?
    /// The block on disk that the next bytes of a sequential writer go to.
    var spillTail: StagingBlock?
    var spill: SpillFile?
    /// The last unbroken run of writes.
    var run: Range<Int64> = 0..<0
    var stream = StreamingUpload()
    var isCommitting = false
    var isDiscarded = false
    var unsettled: [Unsettled] = []
    /// Held while bytes go to memory that the budget has not got, until the part that they fill is on its way.
    var turn: OverBudgetTurn?
    /// By which number the disk's budget knows this file as a holder of kept copies.
    var reclaimer: UInt64?
    /// Grows whenever something happened that somebody may wait for.
    var progress: UInt64 = 0
    private var blocksMade = 0

    init(base: ObjectVersion?) {
        self.base = base
        map = ExtentMap(objectSize: base?.size ?? 0)
    }

    var isDirty: Bool {
        guard let base, !hasForeignBase else { return true }
        return !map.isUnchanged(fromBaseOf: base.size)
    }

    /// Why bytes cannot be written at `offset`; nil where they can.
    func refusal(of count: Int, at offset: Int64, limit: Int64) -> Errno? {
        if offset < 0 { return .invalidArgument }
        let (end, overflow) = offset.addingReportingOverflow(Int64(count))
        return overflow || end > limit ? .fileTooLarge : nil
    }

    /// Puts bytes into memory: over staged bytes in place where nobody reads them, else into the tail and then `fresh`.
    mutating func place(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, appended: Bool, fresh: StagingBlock?, limits: WritingLimits,
        limit: Int64
    ) -> Placement {
        guard !bytes.isEmpty else { return .done }
        if let refusal = refusal(of: bytes.count, at: offset, limit: limit) { return .failed(refusal) }
        let range = offset..<offset + Int64(bytes.count)
        if offset == run.upperBound, stream.backlog(to: offset) > limits.streamingWindow {
            return .mustWait(progress: progress)
        }
        var inPlace: [Extent] = []
        if offset < map.size {
            if map.hasUploadedBytes(in: range) { return .needsUploadedBytes }
            for extent in map.slice(range) {
                if case .staged(let block, _) = extent.source, block.isWritableInPlace { inPlace.append(extent) }
            }
        }
        let needed = bytes.count - inPlace.reduce(0) { $0 + Int($1.count) }
        let available = (tail?.room ?? 0) + (fresh?.room ?? 0)
        if needed > available {
            let step = limits.blockSizes[min(blocksMade, limits.blockSizes.count - 1)]
            let least = needed - (tail?.room ?? 0)
            return .needsBlock(capacity: max(step, least), least: least, progress: progress)
        }

        var position = offset
        for extent in inPlace {
            add(bytes, from: position, to: extent.start, offset: offset, fresh: fresh)
            if case .staged(let block, let at) = extent.source {
                copy(bytes, Int(extent.start - offset), to: block, at: at, count: Int(extent.count))
            }
            position = extent.end
        }
        add(bytes, from: position, to: range.upperBound, offset: offset, fresh: fresh)
        wrote(range, appended: appended)
        return .done
    }

    /// Notes that bytes of `range` were written; `appended`: at the end because it is the end.
    mutating func wrote(_ range: Range<Int64>, appended: Bool) {
        changes = appended && changes != .any ? .appends : .any
        stream.changed(range)
        if range.lowerBound == run.upperBound, !run.isEmpty {
            run = run.lowerBound..<range.upperBound
        } else if range.upperBound > run.upperBound {
            run = range
        }
    }

    private mutating func add(
        _ bytes: UnsafeRawBufferPointer, from lower: Int64, to upper: Int64, offset: Int64, fresh: StagingBlock?
    ) {
        var lower = lower
        while lower < upper {
            if tail == nil || tail!.room == 0 {
                tail = fresh
                blocksMade += 1
            }
            let block = tail!
            let count = min(block.room, Int(upper - lower))
            copy(bytes, Int(lower - offset), to: block, at: block.used, count: count)
            map.write(lower..<lower + Int64(count), .staged(block, offset: block.used))
            block.used += count
            lower += Int64(count)
        }
    }

    private func copy(_ bytes: UnsafeRawBufferPointer, _ from: Int, to block: StagingBlock, at: Int, count: Int) {
        let target = UnsafeMutableRawBufferPointer(rebasing: block.memory![at..<at + count])
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[from..<from + count]))
    }

    /// Sets the size.
    mutating func truncate(to size: Int64, limit: Int64) -> Placement {
        if let refusal = refusal(of: 0, at: size, limit: limit) { return .failed(refusal) }
        let isCutApart = stream.slots.contains { slot in
            slot.range.lowerBound < size && size < slot.range.upperBound
                && map.hasUploadedBytes(in: slot.range.lowerBound..<size)
        }
        if isCutApart { return .needsUploadedBytes }
        if size != map.size { changes = .any }
        map.truncate(to: size)
        stream.cut(to: size)
        if run.upperBound > size { run = run.lowerBound < size ? run.lowerBound..<size : 0..<0 }
        if size == 0 { forgetTails() }
        return .done
    }

    /// Makes `range` zeros, as far as the file goes or beyond.
    mutating func zero(_ range: Range<Int64>, keepsSize: Bool, limit: Int64) -> Placement {
        if let refusal = refusal(of: range.count, at: range.lowerBound, limit: limit) { return .failed(refusal) }
        let range = keepsSize ? range.clamped(to: 0..<max(map.size, 0)) : range
        guard !range.isEmpty else { return .done }
        if map.hasUploadedBytes(in: range) { return .needsUploadedBytes }
        map.zero(range)
        changes = .any
        stream.changed(range)
        return .done
    }

    /// Puts `range` of another file's version at `offset`, to be copied inside the store by the next commit. False, and nothing
    /// done, where the file keeps bytes of another version than that, as it can rest on one only; where bytes are concerned that
    /// only an upload has; and during a commit.
    mutating func copy(_ range: Range<Int64>, of version: ObjectVersion, to offset: Int64, limit: Int64) -> Bool {
        let target = offset..<offset + Int64(range.count)
        guard !isCommitting, !isDiscarded, unsettled.isEmpty, refusal(of: range.count, at: offset, limit: limit) == nil,
            !map.hasUploadedBytes(in: target)
        else { return false }
        if !(hasForeignBase && base == version) {
            let keepsOther = map.extents.contains { extent in
                guard case .object = extent.source else { return false }
                return extent.start < target.lowerBound || extent.end > target.upperBound
            }
            if keepsOther { return false }
            base = version
            hasForeignBase = true
        }
        map.write(target, .object(range.lowerBound))
        changes = .any
        stream.changed(target)
        return true
    }

    /// Bytes written from here on go to new blocks, small ones at first.
    mutating func forgetTails() {
        tail = nil
        spillTail = nil
        blocksMade = 0
    }

    /// `snapshot`, an earlier state of the map, has been stored as `version`.
    mutating func stored(_ snapshot: ExtentMap, as version: ObjectVersion) {
        map = map.settled(over: snapshot)
        base = version
        hasForeignBase = false
        if isUnchanged { changes = .none }
        run = 0..<0
        stream.reset()
        unsettled = []
        forgetTails()
    }

    /// Notes a commit of which nobody knows. Only the last few: each holds its bytes.
    mutating func note(_ commit: Unsettled) {
        unsettled = unsettled.suffix(3) + [commit]
    }

    /// Whether the content is its own base's, byte for byte.
    private var isUnchanged: Bool { base.map { map.isUnchanged(fromBaseOf: $0.size) } ?? false }

    /// Puts what was appended behind `version`, which somebody else has stored since, in place of the base. False, and nothing done,
    /// where more was done than appending, where bytes are concerned that only an upload has, and during a commit.
    mutating func moveAppends(behind version: ObjectVersion, limit: Int64) -> Bool {
        let old = base?.size ?? 0
        guard changes == .appends, !isCommitting, !isDiscarded, !hasForeignBase, map.size >= old,
            !map.hasUploadedBytes(in: 0..<map.size), version.size + map.size - old <= limit
        else { return false }
        let appended = map.slice(old..<map.size)
        map = ExtentMap(objectSize: version.size)
        for extent in appended {
            let start = version.size + extent.start - old
            map.write(start..<start + extent.count, extent.source)
        }
        rest(on: version)
        return true
    }

    /// Lays what was changed over `version`, which somebody else has stored since, in place of the base; what is kept of that and the
    /// version does not have is zeros. False, and nothing done, where bytes are concerned that only an upload has, and during a commit.
    mutating func moveChanges(onto version: ObjectVersion) -> Bool {
        guard base != nil, !isCommitting, !isDiscarded, !hasForeignBase, !map.hasUploadedBytes(in: 0..<map.size) else {
            return false
        }
        var extents: [Extent] = []
        for extent in map.extents {
            guard case .object(let offset) = extent.source else {
                extents.append(extent)
                continue
            }
            let count = max(0, min(extent.count, version.size - offset))
            if count > 0 { extents.append(Extent(start: extent.start, count: count, source: extent.source)) }
            if count < extent.count {
                extents.append(Extent(start: extent.start + count, count: extent.count - count, source: .zeros))
            }
        }
        map = ExtentMap(extents: extents)
        rest(on: version)
        return true
    }

    private mutating func rest(on version: ObjectVersion) {
        base = version
        run = 0..<0
        stream.reset()
        unsettled = []
        forgetTails()
    }
}
