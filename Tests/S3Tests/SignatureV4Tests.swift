import ObjectStore
import Testing

@testable import S3

/// The examples of <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>, and two of AWS's test suite
/// for Signature Version 4.
@Suite struct SignatureV4Tests {
    private let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    private let date = "20130524T000000Z"
    private let host = "examplebucket.s3.amazonaws.com"

    private func sign(
        _ method: String, _ path: String, _ query: String = "", _ fields: [SignatureV4.Field], payload: String
    ) -> SignatureV4.Result {
        let scope = SignatureV4.Scope(timestamp: date, region: "us-east-1")
        return SignatureV4.sign(
            method: method, path: path.utf8, query: query.utf8,
            fields: fields + [("host", host), ("x-amz-date", date), ("x-amz-content-sha256", payload)],
            payloadHash: payload, scope: scope, key: SignatureV4.derivedKey(secret: secret, scope: scope))
    }

    @Test("GET of a range") func getObject() {
        let result = sign("GET", "/test.txt", "", [("range", "bytes=0-9")], payload: SignatureV4.emptyPayload)
        #expect(result.signature == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        #expect(result.signedHeaders == "host;range;x-amz-content-sha256;x-amz-date")
        let scope = SignatureV4.Scope(timestamp: date, region: "us-east-1")
        #expect(
            result.authorization(accessKeyID: "AKIAIOSFODNN7EXAMPLE", scope: scope)
                == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        )
    }

    @Test("PUT") func putObject() {
        let payload = Hexadecimal.string(Digest.sha256(Array("Welcome to Amazon S3.".utf8)))
        let path = "/" + URIEncoding.encode("test$file.text", keepingSlash: true)
        let result = sign(
            "PUT", path, "",
            [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")], payload: payload
        )
        #expect(result.signature == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
    }

    @Test("GET of a bucket's lifecycle") func lifecycle() {
        let query = String(decoding: S3Store.encodedQuery([("lifecycle", nil)]), as: UTF8.self)
        let result = sign("GET", "/", query, [], payload: SignatureV4.emptyPayload)
        #expect(result.signature == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
    }

    @Test("a listing") func listing() {
        let query = String(decoding: S3Store.encodedQuery([("prefix", "J"), ("max-keys", "2")]), as: UTF8.self)
        #expect(query == "max-keys=2&prefix=J")
        let result = sign("GET", "/", query, [], payload: SignatureV4.emptyPayload)
        #expect(result.signature == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test("the general test suite: get-vanilla, get-header-value-trim") func suite() {
        let scope = SignatureV4.Scope(timestamp: "20150830T123600Z", region: "us-east-1", service: "service")
        let key = SignatureV4.derivedKey(secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", scope: scope)
        func signature(_ fields: [SignatureV4.Field]) -> String {
            SignatureV4.sign(
                method: "GET", path: "/".utf8, query: "".utf8,
                fields: fields + [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")],
                payloadHash: SignatureV4.emptyPayload, scope: scope, key: key
            ).signature
        }
        #expect(signature([]) == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
        #expect(
            signature([("my-header1", " value1"), ("my-header2", " \"a   b   c\"")])
                == "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736")
    }

    @Test(
        "URI encoding",
        arguments: [
            ("a b", "a%20b"), ("a+b", "a%2Bb"), ("%", "%25"), ("ü", "%C3%BC"), ("A-z0.9_~", "A-z0.9_~"),
            ("\u{1}", "%01"), ("a//b/../.", "a//b/../."),
        ])
    func encoding(_ text: String, _ encoded: String) {
        #expect(URIEncoding.encode(text, keepingSlash: true) == encoded)
        #expect(URIEncoding.decode(encoded).utf8.elementsEqual(text.utf8))
    }

    @Test("URI decoding of what is not encoded") func decoding() {
        #expect(URIEncoding.decode("a+b") == "a b")
        #expect(URIEncoding.decode("100%") == "100%")
        #expect(URIEncoding.decode("%4") == "%4")
        #expect(URIEncoding.decode("%zz") == "%zz")
        #expect(URIEncoding.encode("a/b", keepingSlash: false) == "a%2Fb")
    }

    @Test("a description never holds the secret") func secrecy() {
        let credentials = Credentials(accessKeyID: "AKIA", secretAccessKey: "hidden", sessionToken: "covert")
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped, "\([credentials])"] {
            #expect(!text.contains("hidden") && !text.contains("covert"))
        }
    }
}

/// Digests and sums against published values.
@Suite struct DigestTests {
    private func crc(_ bytes: [UInt8]) -> UInt32 {
        var sum = CRC32C()
        bytes.withUnsafeBytes { sum.update($0) }
        return sum.value
    }

    @Test("RFC 3720's sums") func crc32c() {
        #expect(crc([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(crc([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(crc(Array(0..<32)) == 0x46DD_794E)
        #expect(crc(Array((0..<32).reversed())) == 0x113F_DB5C)
        #expect(crc(Array("123456789".utf8)) == 0xE306_9283)
        #expect(crc([]) == 0)
    }

    @Test("the instruction and the tables agree at every length and alignment") func crcAgreement() {
        let bytes = patterned(100_000)
        for (start, count) in (0..<40).map({ ($0, $0 * 7) }) + [
            (1, 767), (3, 768), (5, 24_575), (7, 24_576), (2, 99_998),
        ] {
            let piece = Array(bytes[start..<start + count])
            #expect(crc(piece) == piece.withUnsafeBytes { CRC32C.byTables($0) }, "\(start) \(count)")
        }
        var pieces = CRC32C()
        var offset = 0
        while offset < bytes.count {
            let end = min(bytes.count, offset + 1 + offset % 30_011)
            bytes[offset..<end].withUnsafeBytes { pieces.update($0) }
            offset = end
        }
        #expect(pieces.value == crc(bytes))
    }

    @Test("Base64") func base64() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            #expect(Base64.encode(Array(plain.utf8)) == text)
            #expect(Base64.decode(text.utf8) == Array(plain.utf8))
        }
        #expect(Base64.decode("a*".utf8) == nil)
    }

    @Test("MD5 and SHA-256") func digests() {
        let md5 = RunningDigest.md5()
        Array("abc".utf8).withUnsafeBytes { md5.update($0) }
        #expect(Hexadecimal.string(md5.finish()) == "900150983cd24fb0d6963f7d28e17f72")
        #expect(Hexadecimal.string(Digest.sha256([])) == SignatureV4.emptyPayload)
    }
}
