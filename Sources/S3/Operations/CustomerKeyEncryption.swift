internal import ObjectStore
internal import Synchronization

/// A key of one's own that the store encrypts objects by, and forgets (SSE-C): 32 bytes for AES-256.
///
/// Neither the key nor anything made of it is in a description.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html>.
public struct CustomerKey: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable
{
    /// The key in base64, as it is sent.
    let base64: String
    /// Its MD5 in base64, by which the store sees that it came whole.
    let md5: String

    /// A key in base64; nil where that is no 32 bytes.
    public init?(base64 text: String) {
        guard let bytes = Base64.decode(text.utf8), bytes.count == 32 else { return nil }
        base64 = Base64.encode(bytes)
        let digest = RunningDigest.md5()
        bytes.withUnsafeBytes { digest.update($0) }
        md5 = Base64.encode(digest.finish())
    }

    /// Nothing of the key.
    public var description: String { "CustomerKey" }
    /// The same as `description`.
    public var debugDescription: String { description }
    /// Nothing for `dump` to walk into.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Which of one's own keys goes with which request.
///
/// An object does not tell which key it was stored by, and the store refuses a key for one that has none. So a request about an
/// object that is there is made with the likeliest key, and where it is refused (400, 403) with the others and with none;
/// what was found out is remembered for the object. A bucket that was written with one key costs no request more.
final class CustomerKeyEncryption: Sendable {
    /// The keys, the first one for new objects where `encryptsNew`.
    let keys: [CustomerKey]
    /// Whether new objects are encrypted by the first key; else the keys are for reading only.
    let encryptsNew: Bool
    /// What was found out: places in the order of ``candidate(_:)``. Dropped whole when it grows large; it is found out again.
    private let known = Mutex<[ObjectKey: Int]>([:])
    private static let mostKnown = 10_000

    init(keys: [CustomerKey], encryptsNew: Bool) {
        self.keys = keys
        self.encryptsNew = encryptsNew && !keys.isEmpty
    }

    /// How many ways there are to ask for an object.
    var candidates: Int { keys.isEmpty ? 1 : keys.count + 1 }

    /// The key in a place of the order in which they are tried; nil for none.
    private func candidate(_ place: Int) -> CustomerKey? {
        if encryptsNew { return place < keys.count ? keys[place] : nil }
        return place == 0 ? nil : keys[place - 1]
    }

    /// The object whose content or description a request is about, if its key matters.
    private static func object(of request: S3Request) -> ObjectKey? {
        switch request.operation {
        case .headObject, .getObject: request.key
        case .copyObject, .uploadPartCopy: request.copySource
        default: nil
        }
    }

    /// The place to begin with.
    func likeliest(for request: S3Request) -> Int {
        guard !keys.isEmpty, let object = Self.object(of: request) else { return 0 }
        return known.withLock { $0[object] ?? 0 }
    }

    /// The next place to try after refusals; nil where all were tried, or the refusal is for something else.
    /// - Parameter tried: how many were.
    func next(after place: Int, tried: Int, _ request: S3Request, status: Int, code: String) -> Int? {
        guard tried < candidates, Self.object(of: request) != nil, status == 400 || status == 403 else { return nil }
        switch code {
        case "", "InvalidRequest", "InvalidArgument", "AccessDenied", "BadRequest":
            return (place + 1) % candidates
        default: return nil
        }
    }

    /// Notes which place was right.
    func succeeded(_ request: S3Request, at place: Int) {
        guard !keys.isEmpty else { return }
        known.withLock { known in
            if let object = Self.object(of: request) {
                if place == 0 { known[object] = nil } else { known[object] = place }
            }
            // What is stored now has the key of new objects.
            switch request.operation {
            case .putObject, .copyObject, .completeMultipartUpload, .deleteObject:
                if let key = request.key { known[key] = nil }
            default: break
            }
            if known.count > Self.mostKnown { known = [:] }
        }
    }

    /// The request with the headers of its keys.
    func applied(to request: S3Request, at place: Int) -> S3Request {
        guard !keys.isEmpty else { return request }
        var request = request
        func add(_ key: CustomerKey?, _ prefix: String) {
            guard let key else { return }
            request.setHeader("\(prefix)server-side-encryption-customer-algorithm", "AES256")
            request.setHeader("\(prefix)server-side-encryption-customer-key", key.base64)
            request.setHeader("\(prefix)server-side-encryption-customer-key-md5", key.md5)
        }
        switch request.operation {
        case .headObject, .getObject: add(candidate(place), "x-amz-")
        case .putObject, .createMultipartUpload, .uploadPart, .completeMultipartUpload, .listParts:
            if encryptsNew { add(keys[0], "x-amz-") }
        case .copyObject, .uploadPartCopy:
            if encryptsNew { add(keys[0], "x-amz-") }
            add(candidate(place), "x-amz-copy-source-")
        default: break
        }
        return request
    }
}
