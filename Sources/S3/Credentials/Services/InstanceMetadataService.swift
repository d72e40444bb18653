internal import ObjectStore

/// EC2's metadata service: three requests, of which the first gets a token that the others carry (version 2).
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>
struct InstanceMetadataService {
    let transport: CredentialsTransport

    private static let roles = "/latest/meta-data/iam/security-credentials/"

    func credentials(_ instance: InstanceMetadata) async throws(CredentialsError) -> Credentials {
        let token = try await token(instance)
        let headers: [SignatureV4.Field] = token.map { [("x-aws-ec2-metadata-token", $0)] } ?? []
        var role = instance.role ?? ""
        if role.isEmpty {
            let list = try await get(instance, Self.roles, headers, "the instance has no role")
            role = String(decoding: list.prefix { $0 > 0x20 }, as: UTF8.self)
            guard !role.isEmpty else { throw CredentialsError("\(instance.endpoint): the instance has no role") }
        }
        let path = Self.roles + URIEncoding.encode(role, keepingSlash: false)
        let body = try await get(instance, path, headers, "the instance has no role \(role)")
        return try CredentialsDocument.read(body, from: instance.endpoint).credentials(from: instance.endpoint)
    }

    private func token(_ instance: InstanceMetadata) async throws(CredentialsError) -> String? {
        let response = try await transport.send(
            .init(
                method: .put, url: instance.endpoint + "/latest/api/token",
                headers: [("x-aws-ec2-metadata-token-ttl-seconds", "300")], timeout: instance.timeout, isLocal: true))
        let text = String(decoding: response.body, as: UTF8.self)
        switch response.status {
        case 200 where !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }: return text
        case 403, 404, 405:
            if instance.allowsV1 { return nil }
            throw CredentialsError(
                "\(instance.endpoint): no token (\(response.status)), and requests without one are not allowed "
                    + "(--instance-metadata v1 allows them)")
        default:
            throw CredentialsError("\(instance.endpoint): no token (\(response.status))", isTransient: true)
        }
    }

    private func get(
        _ instance: InstanceMetadata, _ path: String, _ headers: [SignatureV4.Field], _ missing: String
    ) async throws(CredentialsError) -> [UInt8] {
        let response = try await transport.send(
            .init(url: instance.endpoint + path, headers: headers, timeout: instance.timeout, isLocal: true))
        switch response.status {
        case 200: return response.body
        case 404: throw CredentialsError("\(instance.endpoint): \(missing)")
        default: throw CredentialsError("\(instance.endpoint): \(response.status)", isTransient: true)
        }
    }
}
