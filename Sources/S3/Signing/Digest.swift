internal import CCrypto
internal import ObjectStore

/// Digests by OpenSSL's libcrypto, which libcurl has loaded already.
enum Digest {
    /// SHA-256.
    static func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] { digest(bytes, EVP_sha256(), 32) }

    /// SHA-256.
    static func sha256(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { sha256($0) } }

    /// SHA-1, where a name is made of it by somebody else's convention.
    static func sha1(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { digest($0, EVP_sha1(), 20) } }

    /// HMAC-SHA-256.
    static func hmac(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { output, count in
            var length: UInt32 = 0
            let done = HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, output.baseAddress, &length)
            precondition(done != nil && length == 32, "libcrypto's HMAC failed")
            count = 32
        }
    }

    private static func digest(_ bytes: UnsafeRawBufferPointer, _ type: OpaquePointer?, _ size: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: size) { output, count in
            var length: UInt32 = 0
            let done = EVP_Digest(bytes.baseAddress, bytes.count, output.baseAddress, &length, type, nil)
            precondition(done == 1 && Int(length) == size, "libcrypto's digest failed")
            count = size
        }
    }
}

/// A digest of bytes that come piece by piece.
package struct RunningDigest: ~Copyable {
    private let context: OpaquePointer
    private let size: Int

    /// SHA-256 of what follows.
    static func sha256() -> RunningDigest { RunningDigest(EVP_sha256(), size: 32) }
    /// MD5 of what follows.
    package static func md5() -> RunningDigest { RunningDigest(EVP_md5(), size: 16) }

    private init(_ type: OpaquePointer?, size: Int) {
        guard let context = EVP_MD_CTX_new() else { fatalError("out of memory") }
        self.context = context
        self.size = size
        precondition(EVP_DigestInit_ex(context, type, nil) == 1, "libcrypto has not this digest")
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Takes the next bytes.
    package func update(_ bytes: UnsafeRawBufferPointer) {
        precondition(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1, "libcrypto's digest failed")
    }

    /// The digest of all that came.
    package consuming func finish() -> [UInt8] {
        var length: UInt32 = 0
        var output = [UInt8](repeating: 0, count: size)
        precondition(EVP_DigestFinal_ex(context, &output, &length) == 1, "libcrypto's digest failed")
        return output
    }
}

extension CRC32C {
    /// The sum as S3 writes it: four bytes, the highest first, in base64.
    var base64: String {
        Base64.encode([UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)])
    }
}

/// Base64 with padding (RFC 4648, section 4).
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Bytes as text.
    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var word = UInt32(bytes[start]) << 16
            if count > 1 { word |= UInt32(bytes[start + 1]) << 8 }
            if count > 2 { word |= UInt32(bytes[start + 2]) }
            for place in 0..<4 {
                text.append(place <= count ? alphabet[Int(word >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Text as bytes; nil where it is no base64. Padding may be missing.
    static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var word: UInt32 = 0
        var bits: UInt32 = 0
        var isPadded = false
        for character in text {
            if character == UInt8(ascii: "=") {
                isPadded = true
                continue
            }
            guard !isPadded, let digit = digit(character) else { return nil }
            word = word << 6 | digit
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: word >> bits))
            }
        }
        return bits < 6 ? bytes : nil
    }

    private static func digit(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - 65)
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - 97 + 26)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - 48 + 52)
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

/// Bytes in hexadecimal, lower case.
enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    /// Appends two digits for each byte.
    static func append(_ bytes: [UInt8], to output: inout [UInt8]) {
        for byte in bytes {
            output.append(digits[Int(byte >> 4)])
            output.append(digits[Int(byte & 15)])
        }
    }

    /// Two digits for each byte.
    static func string(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        append(bytes, to: &output)
        return String(decoding: output, as: UTF8.self)
    }
}
