internal import FoundationEssentials
internal import ObjectStore

/// The JSON that container and instance services answer with, and that programs print; their names differ in the token only.
///
/// See <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>.
struct CredentialsDocument: Decodable {
    /// Of a program: 1.
    var Version: Int?
    /// Of EC2's service: `Success`.
    var Code: String?
    var AccessKeyId: String?
    var SecretAccessKey: String?
    var SessionToken: String?
    var Token: String?
    var Expiration: String?

    /// Reads a document.
    /// - Throws: `what` and why not; never anything of the bytes.
    static func read(_ bytes: [UInt8], from what: String) throws(CredentialsError) -> CredentialsDocument {
        guard let document = try? JSONDecoder().decode(CredentialsDocument.self, from: Data(bytes)) else {
            throw CredentialsError("\(what): the answer is no JSON with credentials")
        }
        return document
    }

    /// The credentials in it.
    func credentials(from what: String) throws(CredentialsError) -> Credentials {
        if let Code, Code != "Success" {
            throw CredentialsError("\(what): \(Code.prefix(100))", isTransient: true)
        }
        guard let AccessKeyId, let SecretAccessKey, !AccessKeyId.isEmpty, !SecretAccessKey.isEmpty else {
            throw CredentialsError("\(what): the answer has no AccessKeyId and SecretAccessKey")
        }
        var end: Timestamp?
        if let Expiration, !Expiration.isEmpty {
            guard let time = DateFormats.parseISO8601(Expiration) else {
                throw CredentialsError("\(what): the answer's Expiration is no date")
            }
            end = time
        }
        return Credentials(
            accessKeyID: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken ?? Token,
            expiration: end)
    }
}
