internal import ObjectStore

/// How far a download has come, over all of its attempts.
///
/// It sees to it that the sink gets each byte once and of one version only: an attempt after a broken one asks for the rest
/// with `If-Match`, and since a server may ignore both, the answer's own range, size and ETag are compared before a byte
/// passes. A pure value: told of headers and counts, it answers what to do.
struct DownloadProgress: Sendable {
    /// What an answer's headers lead to.
    enum Action: Sendable, Equatable {
        /// The first good answer: tell the sink, then hand bytes over.
        case begin(ObjectInfo, range: Range<Int64>)
        /// A later good answer: hand bytes over.
        case goOn
        /// The answer refuses; its body says why.
        case collectError
        /// The answer is of no use.
        case refuse(String)
    }

    /// The most bytes that are read past where a server ignores `Range`.
    static let skipLimit: Int64 = 8 << 20

    private let wanted: Range<Int64>?
    private let ifMatch: ETag?
    /// The object, once an answer was good.
    private(set) var info: ObjectInfo?
    /// The bytes that the sink was promised.
    private(set) var range: Range<Int64> = 0..<0
    /// The next byte that the sink is to get.
    private(set) var position: Int64 = 0
    /// Bytes of the current answer that come before `position`.
    private var skip: Int64 = 0
    /// What a `refuse` means to the caller, where it is more than a bad answer.
    private(set) var refusal: StoreError.Kind?

    /// Nothing has come yet.
    init(wanted: Range<Int64>?, ifMatch: ETag?) {
        self.wanted = wanted
        self.ifMatch = ifMatch
    }

    /// Whether the sink has all that it was promised.
    var isComplete: Bool { info != nil && position == range.upperBound }

    /// `Range` for the next attempt; nil for the whole object.
    var rangeHeader: String? {
        if info != nil, position > range.lowerBound { return "bytes=\(position)-\(range.upperBound - 1)" }
        guard let wanted else { return nil }
        return wanted.upperBound == .max ? "bytes=\(wanted.lowerBound)-" : "bytes=\(wanted.lowerBound)-\(wanted.upperBound - 1)"
    }

    /// `If-Match` for the next attempt.
    var versionHeader: String? { (info?.etag ?? ifMatch)?.quoted }

    /// How many bytes are to come; 1 MiB where that is not known.
    var expectedLength: Int64 {
        if info != nil { return range.upperBound - position }
        guard let wanted, wanted.upperBound != .max else { return 1 << 20 }
        return wanted.upperBound - wanted.lowerBound
    }

    /// The headers of an answer are there.
    mutating func answered(status: Int, headers: HTTPHeaders) -> Action {
        guard status == 200 || status == 206 else {
            return status >= 300 ? .collectError : .refuse("a GET was answered with status \(status)")
        }
        let length = headers.integer("content-length")
        let served: Range<Int64>
        let total: Int64
        if status == 206 {
            guard let text = headers.value("content-range"), let content = ContentRange(text),
                let range = content.range, let size = content.total
            else { return .refuse("a part was answered without a proper Content-Range") }
            if let length, length != Int64(range.count) {
                return .refuse("Content-Range and Content-Length contradict each other")
            }
            served = range
            total = size
        } else {
            guard let length else { return .refuse("the answer has no Content-Length") }
            served = 0..<length
            total = length
        }
        guard let new = ObjectHeaders.info(headers, size: total) else {
            return .refuse("the answer has no proper Last-Modified")
        }
        return info == nil ? first(new, served) : later(new, served)
    }

    private mutating func first(_ new: ObjectInfo, _ served: Range<Int64>) -> Action {
        if let ifMatch, let etag = new.etag, etag != ifMatch {
            refusal = .preconditionFailed
            return .refuse("the object is another version (the store ignored If-Match)")
        }
        let start = wanted?.lowerBound ?? 0
        let end = min(wanted?.upperBound ?? new.size, new.size)
        if let wanted, wanted.lowerBound >= new.size {
            refusal = .rangeNotSatisfiable
            return .refuse("the object holds \(new.size) bytes")
        }
        if let reason = place(served, at: start, end: end) { return .refuse(reason) }
        info = new
        range = start..<end
        position = start
        return .begin(new, range: range)
    }

    private mutating func later(_ new: ObjectInfo, _ served: Range<Int64>) -> Action {
        guard let info else { return .refuse("no answer came before") }
        // Without an ETag only the date and the size tell versions apart.
        guard new.size == info.size, new.etag == info.etag, new.etag != nil || new.lastModified == info.lastModified
        else {
            refusal = .preconditionFailed
            return .refuse("the object was replaced while it was read")
        }
        if let reason = place(served, at: position, end: range.upperBound) { return .refuse(reason) }
        return .goOn
    }

    /// Sets `skip`; a reason where the bytes served are not those wanted.
    private mutating func place(_ served: Range<Int64>, at start: Int64, end: Int64) -> String? {
        guard served.lowerBound <= start, served.upperBound >= end else {
            return "bytes \(served.lowerBound)-\(served.upperBound - 1) came where \(start)-\(end - 1) were asked for"
        }
        skip = start - served.lowerBound
        return skip > Self.skipLimit ? "the store ignores Range" : nil
    }

    /// The next `count` bytes of the answer are there.
    /// - Returns: which of them the sink gets, and whether more are wanted.
    mutating func received(_ count: Int) -> (slice: Range<Int>, wantsMore: Bool) {
        let skipped = Int(min(skip, Int64(count)))
        skip -= Int64(skipped)
        let given = Int(min(Int64(count - skipped), range.upperBound - position))
        position += Int64(given)
        // More than was promised (a store that ignores Range, or whose length is wrong) is cut off.
        return (skipped..<skipped + given, skipped + given == count)
    }
}
