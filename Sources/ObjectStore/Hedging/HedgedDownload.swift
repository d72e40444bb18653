/// What two requests for the same bytes have delivered together: each byte is handed on once, in order, from whichever brings it first.
///
/// Both must answer with the same version: the one that begins first decides which, by its ETag, and the other one's bytes are passed over
/// where they are of another version or of none that can be told. A value type without I/O; `HedgingStore` keeps it under a lock.
struct HedgedDownload: Sendable {
    /// One of the two requests.
    enum Attempt: Int, Sendable { case first, second }

    private struct Arrival: Sendable {
        /// The offset in the object of its next byte.
        var offset: Int64
        var isMute: Bool
    }

    private var arrivals: [Arrival?] = [nil, nil]
    /// What the first answer said; nil before it.
    private(set) var begun: ObjectInfo?
    /// The offset in the object of the next byte to be handed on; known once an answer has begun.
    private(set) var position: Int64 = 0
    /// Where the wanted bytes end; known once an answer has begun.
    private(set) var end: Int64 = 0

    init() {}

    /// An attempt's headers came. True where the reader is to be told: for the first of them.
    mutating func begin(_ attempt: Attempt, _ info: ObjectInfo, _ range: Range<Int64>) -> Bool {
        guard let begun else {
            self.begun = info
            position = range.lowerBound
            end = range.upperBound
            arrivals[attempt.rawValue] = Arrival(offset: range.lowerBound, isMute: false)
            return true
        }
        let isSame = info.etag != nil && info.etag == begun.etag && info.size == begun.size
        arrivals[attempt.rawValue] = Arrival(offset: range.lowerBound, isMute: !isSame || range.lowerBound > position)
        return false
    }

    /// So many bytes came on an attempt: those of them that are new, as a range of the piece.
    mutating func receive(_ attempt: Attempt, count: Int) -> Range<Int> {
        guard var arrival = arrivals[attempt.rawValue], !arrival.isMute else { return 0..<0 }
        let skipped = min(Int64(count), max(0, position - arrival.offset))
        arrival.offset += Int64(count)
        arrivals[attempt.rawValue] = arrival
        position = max(position, arrival.offset)
        return Int(skipped)..<count
    }

    /// Whether an attempt's success means that all bytes were handed on: it has brought bytes of the version that was begun.
    func isComplete(by attempt: Attempt) -> Bool {
        arrivals[attempt.rawValue].map { !$0.isMute } ?? false
    }

    /// The bytes that are still missing, what a second request asks for; nil before an answer has begun, and where nothing is missing.
    var remainder: Range<Int64>? { begun == nil || position >= end ? nil : position..<end }
}
