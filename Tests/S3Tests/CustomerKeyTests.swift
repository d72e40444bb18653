import ObjectStore
import Testing

@testable import S3

@Suite struct CustomerKeyTests {
    private static func key(_ letter: String) -> CustomerKey {
        CustomerKey(base64: Base64.encode(Array(String(repeating: letter, count: 32).utf8)))!
    }

    private let first = key("a")
    private let second = key("b")

    private func request(_ operation: S3Operation, _ key: String = "k", from source: String? = nil) -> S3Request {
        var request = S3Request(operation, .get, key: ObjectKey(key))
        request.copySource = source.map { ObjectKey($0) }
        return request
    }

    private func fields(_ encryption: CustomerKeyEncryption, _ request: S3Request, at place: Int = 0) -> [String:
        String]
    {
        Dictionary(
            encryption.applied(to: request, at: place).headers.map { ($0.name, $0.value) },
            uniquingKeysWith: { _, _ in
                Issue.record("a header twice")
                return ""
            })
    }

    @Test func keysAreThirtyTwoBytes() {
        #expect(CustomerKey(base64: "AAAA") == nil)
        #expect(CustomerKey(base64: "no base64 at all") == nil)
        // printf a…a (32 times) | openssl md5 -binary | base64
        #expect(first.base64 == "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=")
        #expect(first.md5 == "Xsqb0+sHwAbNQ65I395/0w==")
        var text = ""
        dump(first, to: &text)
        #expect(!"\(first) \(String(reflecting: first)) \(text)".contains("YWFh"))
    }

    @Test func headersByOperation() {
        let encryption = CustomerKeyEncryption(keys: [first, second], encryptsNew: true)
        let own = "x-amz-server-side-encryption-customer-key"
        let source = "x-amz-copy-source-server-side-encryption-customer-key"
        for operation in [S3Operation.putObject, .createMultipartUpload, .uploadPart, .completeMultipartUpload] {
            #expect(fields(encryption, request(operation))[own] == first.base64)
        }
        #expect(fields(encryption, request(.getObject), at: 1)[own] == second.base64)
        #expect(fields(encryption, request(.headObject), at: 2).isEmpty, "the last place is no key at all")
        let copy = fields(encryption, request(.copyObject, from: "s"), at: 1)
        #expect(copy[own] == first.base64 && copy[source] == second.base64)
        #expect(copy[source + "-md5"] == second.md5)
        for operation in [S3Operation.listObjectsV2, .deleteObject, .abortMultipartUpload, .getBucketLocation] {
            #expect(fields(encryption, request(operation)).isEmpty)
        }
    }

    @Test func keysForReadingOnly() {
        let encryption = CustomerKeyEncryption(keys: [first], encryptsNew: false)
        #expect(fields(encryption, request(.putObject)).isEmpty)
        #expect(fields(encryption, request(.getObject), at: 0).isEmpty)
        #expect(fields(encryption, request(.getObject), at: 1).count == 3)
    }

    @Test func eachPlaceIsTriedOnceAndTheRightOneRemembered() {
        let encryption = CustomerKeyEncryption(keys: [first, second], encryptsNew: true)
        let head = request(.headObject)
        var place = encryption.likeliest(for: head)
        var tried = [place]
        while let next = encryption.next(after: place, tried: tried.count, head, status: 400, code: "") {
            place = next
            tried.append(next)
        }
        #expect(tried == [0, 1, 2])
        #expect(encryption.next(after: 0, tried: 1, head, status: 404, code: "") == nil)
        #expect(encryption.next(after: 0, tried: 1, head, status: 403, code: "SignatureDoesNotMatch") == nil)
        #expect(encryption.next(after: 0, tried: 1, request(.putObject), status: 403, code: "AccessDenied") == nil)
        encryption.succeeded(head, at: 1)
        #expect(encryption.likeliest(for: request(.getObject)) == 1)
        #expect(encryption.likeliest(for: request(.copyObject, "other", from: "k")) == 1)
        #expect(encryption.likeliest(for: request(.getObject, "other")) == 0)
        encryption.succeeded(request(.putObject), at: 0)
        #expect(encryption.likeliest(for: request(.getObject)) == 0, "what was stored has the first key")
    }

    @Test func withoutKeysNothingChanges() {
        let encryption = CustomerKeyEncryption(keys: [], encryptsNew: true)
        #expect(fields(encryption, request(.putObject)).isEmpty)
        #expect(encryption.next(after: 0, tried: 1, request(.headObject), status: 403, code: "") == nil)
    }
}
