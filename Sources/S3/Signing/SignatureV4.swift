import Synchronization

/// AWS Signature Version 4, in the `Authorization` header.
///
/// Problem: each request is signed anew, thousands a second, so the canonical request is written into one array and the
/// derived key, four HMACs away from the secret, is kept for its day.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
struct SignatureV4 {
    /// What stands for the hash of a payload that is not signed.
    static let unsignedPayload = "UNSIGNED-PAYLOAD"
    /// SHA-256 of nothing.
    static let emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    /// A header field, its name in lower case.
    typealias Field = (name: String, value: String)

    /// When and for what a signature holds.
    struct Scope {
        /// `20130524T000000Z`.
        var timestamp: String
        var region: String
        var service = "s3"
        /// The timestamp's first eight characters.
        var day: Substring { timestamp.prefix(8) }
    }

    /// The names of the signed fields and the signature.
    struct Result {
        var signedHeaders: String
        var signature: String

        /// The value of `Authorization`.
        func authorization(accessKeyID: String, scope: Scope) -> String {
            "AWS4-HMAC-SHA256 Credential=\(accessKeyID)/\(scope.day)/\(scope.region)/\(scope.service)/aws4_request,"
                + "SignedHeaders=\(signedHeaders),Signature=\(signature)"
        }
    }

    /// Signs a request.
    ///
    /// - Parameters:
    ///   - path: encoded, as it is sent.
    ///   - query: encoded and in order of names, as it is sent, without `?`.
    ///   - fields: all that are to be signed, in any order.
    ///   - key: the derived key of the scope.
    static func sign(
        method: String, path: some Collection<UInt8>, query: some Collection<UInt8>, fields: [Field],
        payloadHash: String, scope: Scope, key: [UInt8]
    ) -> Result {
        let sorted = fields.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        var signedHeaders = ""
        for field in sorted {
            if !signedHeaders.isEmpty { signedHeaders += ";" }
            signedHeaders += field.name
        }
        var request: [UInt8] = []
        request.reserveCapacity(1024)
        let newline = UInt8(ascii: "\n")
        request.append(contentsOf: method.utf8)
        request.append(newline)
        request.append(contentsOf: path)
        request.append(newline)
        request.append(contentsOf: query)
        request.append(newline)
        for field in sorted {
            request.append(contentsOf: field.name.utf8)
            request.append(UInt8(ascii: ":"))
            appendTrimmed(field.value, to: &request)
            request.append(newline)
        }
        request.append(newline)
        request.append(contentsOf: signedHeaders.utf8)
        request.append(newline)
        request.append(contentsOf: payloadHash.utf8)

        var text: [UInt8] = []
        text.reserveCapacity(160)
        text.append(contentsOf: "AWS4-HMAC-SHA256\n".utf8)
        text.append(contentsOf: scope.timestamp.utf8)
        text.append(newline)
        text.append(contentsOf: scope.day.utf8)
        text.append(contentsOf: "/\(scope.region)/\(scope.service)/aws4_request\n".utf8)
        Hexadecimal.append(Digest.sha256(request), to: &text)
        return Result(signedHeaders: signedHeaders, signature: Hexadecimal.string(Digest.hmac(key: key, text)))
    }

    /// The key that a scope's signatures are made with: four HMACs.
    static func derivedKey(secret: String, scope: Scope) -> [UInt8] {
        let day = Digest.hmac(key: Array("AWS4\(secret)".utf8), Array(scope.day.utf8))
        let region = Digest.hmac(key: day, Array(scope.region.utf8))
        let service = Digest.hmac(key: region, Array(scope.service.utf8))
        return Digest.hmac(key: service, Array("aws4_request".utf8))
    }

    /// A value without the spaces around it, and one space for each run within.
    private static func appendTrimmed(_ value: String, to output: inout [UInt8]) {
        let start = output.count
        var pendingSpace = false
        for byte in value.utf8 {
            if byte == 32 || byte == 9 {
                pendingSpace = true
            } else {
                if pendingSpace, output.count > start { output.append(32) }
                pendingSpace = false
                output.append(byte)
            }
        }
    }
}

/// Keeps the derived key of the last scope and credentials used: it changes once a day.
final class SigningKeyCache: Sendable {
    private struct Entry {
        var day: String
        var region: String
        var secret: String
        var key: [UInt8]
    }

    private let entry = Mutex<Entry?>(nil)

    /// The derived key, from the cache if it is the same as the last time.
    func key(secret: String, scope: SignatureV4.Scope) -> [UInt8] {
        entry.withLock { entry in
            if let entry, entry.day == scope.day, entry.region == scope.region, entry.secret == secret {
                return entry.key
            }
            let key = SignatureV4.derivedKey(secret: secret, scope: scope)
            entry = Entry(day: String(scope.day), region: scope.region, secret: secret, key: key)
            return key
        }
    }
}
