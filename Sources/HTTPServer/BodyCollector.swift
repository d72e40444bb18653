/// Collects the body of a request up to a limit. What goes beyond is passed over, so that the client has its request read and reads the
/// answer; a body of sixteen times the limit and more is no mistake but an attack, and its connection is cut.
struct BodyCollector: Sendable {
    /// What shall be done with a request.
    enum Verdict: Equatable, Sendable {
        /// Read on.
        case reading
        /// Answer at once that it is too large: its length is known and nobody shall send it.
        case tooLarge
        /// Close the connection: no answer can be given in the middle of a body.
        case cut
    }

    private(set) var bytes: [UInt8] = []
    private(set) var isTooLarge = false
    private let limit: Int
    private var passed = 0

    /// - Parameter limit: in bytes, 0 and up.
    init(limit: Int) { self.limit = limit }

    private var worst: Int { limit > Int.max >> 4 ? Int.max : limit << 4 }

    /// Before the body: what `Content-Length` says; nil where it is not there or no number.
    mutating func begin(announced: Int?) -> Verdict {
        guard let announced, announced > limit else { return .reading }
        isTooLarge = true
        return announced > worst ? .tooLarge : .reading
    }

    /// The next piece of the body.
    mutating func take(_ piece: UnsafeRawBufferPointer) -> Verdict {
        if !isTooLarge, bytes.count + piece.count <= limit {
            bytes += piece
            return .reading
        }
        isTooLarge = true
        passed += bytes.count + piece.count
        bytes = []
        return passed > worst ? .cut : .reading
    }
}
