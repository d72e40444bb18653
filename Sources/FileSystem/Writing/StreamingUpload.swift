import ObjectStore

/// What an upload that is made while writing goes on is bound to: S3 takes key and metadata at its start.
struct UploadTarget: Sendable {
    /// The key that the upload will make.
    var key: ObjectKey
    /// The metadata that it will have.
    var metadata: ObjectMetadata
    /// What must hold of the key if the upload has to be completed before the file is committed: see ``StagedFile``.
    var precondition: Precondition
    /// Whether what somebody else has stored meanwhile is replaced all the same: the condition only keeps a request that arrives late
    /// from doing so. See Replacement.swift.
    var overtakes: Bool
    /// Reads what is kept of the base, in the same case.
    var readBase: BaseReader?

    /// A target of the given parts.
    init(
        key: ObjectKey, metadata: ObjectMetadata, precondition: Precondition, overtakes: Bool = false,
        readBase: BaseReader? = nil
    ) {
        self.key = key
        self.metadata = metadata
        self.precondition = precondition
        self.overtakes = overtakes
        self.readBase = readBase
    }
}

/// A multipart upload that streaming has begun.
struct StreamingSession: Sendable {
    /// The upload.
    var upload: MultipartUpload
    /// What it is bound to.
    var target: UploadTarget
}

/// Decides which parts of a file are sent while it is still being written. A value: it does no I/O and takes no lock.
///
/// A part is sent once a sequential writer has left it behind: one unbroken run of writes covers it and goes on after it.
/// Parts follow each other from byte 0 on, in the sizes of ``PartSchedule``. A write into a part that was begun makes it
/// stale: the commit sends it again under its number, when nothing is in flight any more, because of two uploads of one
/// number the store keeps the one that ends last. Cutting the file short takes the parts behind the cut away; from then on
/// their numbers are open again and nothing is begun until the commit, for the same reason.
struct StreamingUpload: Sendable {
    /// A part that was begun.
    struct Slot: Sendable, Equatable {
        /// 1 to 10,000.
        var number: Int
        /// Its bytes of the file.
        var range: Range<Int64>
        /// How far it is.
        var state: State

        /// How far a part is.
        enum State: Sendable, Equatable {
            /// On its way, its bytes unchanged since.
            case uploading
            /// The store has it, and its bytes are unchanged since.
            case uploaded(UploadedPart)
            /// Its bytes changed, or it did not get there.
            case stale
        }
    }

    /// What to do next.
    enum Action: Sendable, Equatable {
        /// Nothing.
        case none
        /// CreateMultipartUpload, then ``created(_:)`` or ``notCreated()``.
        case create
        /// Send the part, then ``answered(_:range:part:)`` and ``ended()``.
        case send(number: Int, range: Range<Int64>)
    }

    private enum Phase {
        case idle
        case creating
        case active(StreamingSession)
        /// Not before the next commit.
        case off
    }

    private var phase = Phase.idle
    private(set) var slots: [Slot] = []
    private(set) var inFlight = 0
    /// Set by a cut: no part is begun any more.
    private var isCut = false
    /// Set during a commit.
    private(set) var isPaused = false

    /// The upload, where one was made.
    var session: StreamingSession? { if case .active(let session) = phase { session } else { nil } }

    /// Whether an answer of the store is awaited.
    var isBusy: Bool { if case .creating = phase { true } else { inFlight > 0 } }

    /// Whether a writer whose last unbroken run of writes is `run` will have its next part sent once that is full.
    func follows(_ run: Range<Int64>) -> Bool {
        if case .off = phase { return false }
        return !isPaused && !isCut && !run.isEmpty && run.lowerBound <= frontier && run.upperBound >= frontier
    }

    /// Where the last begun part ends.
    var frontier: Int64 { slots.last?.range.upperBound ?? 0 }

    /// Bytes up to `end` that the store has not got yet, while it has something to answer; 0 when there is nothing to wait for.
    func backlog(to end: Int64) -> Int64 {
        guard isBusy else { return 0 }
        return end - (slots.first { $0.state == .uploading }?.range.lowerBound ?? frontier)
    }

    /// The parts as the plan wants them.
    var fixedParts: [UploadPlan.FixedPart] {
        slots.map { slot in
            var uploaded: UploadedPart?
            if case .uploaded(let part) = slot.state { uploaded = part }
            return UploadPlan.FixedPart(number: slot.number, range: slot.range, uploaded: uploaded)
        }
    }

    /// What to do, `run` being the last unbroken run of writes. To be asked again until there is nothing.
    mutating func next(
        run: Range<Int64>, schedule: PartSchedule, threshold: Int64, parallel: Int, maximumPartCount: Int
    ) -> Action {
        guard !isPaused, !isCut else { return .none }
        let number = slots.count + 1
        let start = frontier
        let end = start + schedule.size(ofPart: number)
        // Strictly behind: a file that ends here may be a single PUT, and the last part may be any size.
        guard run.lowerBound <= start, run.upperBound > end, run.upperBound > threshold, number <= maximumPartCount
        else { return .none }
        switch phase {
        case .idle:
            phase = .creating
            return .create
        case .active where inFlight < parallel:
            slots.append(Slot(number: number, range: start..<end, state: .uploading))
            inFlight += 1
            return .send(number: number, range: start..<end)
        case .active, .creating, .off:
            return .none
        }
    }

    /// The upload was made.
    mutating func created(_ session: StreamingSession) {
        guard case .creating = phase else { return }
        phase = .active(session)
    }

    /// The upload could not be made, or nobody wants it: nothing is streamed before the next commit.
    mutating func notCreated() {
        guard case .creating = phase else { return }
        phase = .off
    }

    /// The store has taken a part, or has not: then `part` is nil. Returns whether it now has the part with the bytes that the
    /// file has. The part still counts as in flight: what becomes of its bytes here comes before ``ended()``.
    mutating func answered(_ number: Int, range: Range<Int64>, part: UploadedPart?) -> Bool {
        guard isUploading(number, range: range) else { return false }
        let index = number - 1
        guard let part else {
            slots[index].state = .stale
            // The store's own retries are over: leave the rest to the commit, which reports what is wrong.
            isCut = true
            return false
        }
        slots[index].state = .uploaded(part)
        return true
    }

    /// All is done for a part that was answered.
    mutating func ended() { inFlight -= 1 }

    /// Whether the part is to be sent, its bytes being those that it was begun with.
    func isUploading(_ number: Int, range: Range<Int64>) -> Bool {
        slot(number, range)?.state == .uploading
    }

    /// Whether the store has the part, with the bytes that the file has.
    func isCurrent(_ number: Int, range: Range<Int64>) -> Bool {
        if case .uploaded = slot(number, range)?.state { true } else { false }
    }

    private func slot(_ number: Int, _ range: Range<Int64>) -> Slot? {
        // Numbers count from 1 without gaps.
        guard slots.indices.contains(number - 1), slots[number - 1].range == range else { return nil }
        return slots[number - 1]
    }

    /// Bytes changed.
    mutating func changed(_ range: Range<Int64>) {
        guard !range.isEmpty, range.lowerBound < frontier else { return }
        for index in slots.indices where slots[index].range.overlaps(range) { slots[index].state = .stale }
    }

    /// The file now ends at `size`.
    mutating func cut(to size: Int64) {
        guard size < frontier else { return }
        slots.removeAll { $0.range.upperBound > size }
        isCut = true
    }

    /// A commit begins: nothing new is begun.
    mutating func pause() { isPaused = true }

    /// The commit failed and the upload is kept.
    mutating func resume() { isPaused = false }

    /// The upload is completed or given up: all begins anew.
    mutating func reset() { self = StreamingUpload() }
}
