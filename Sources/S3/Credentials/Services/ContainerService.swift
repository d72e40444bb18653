/// The credentials service inside an ECS task or an EKS pod: one request. The token's file is read anew.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
struct ContainerService {
    let transport: CredentialsTransport

    func credentials(_ endpoint: ContainerEndpoint) async throws(CredentialsError) -> Credentials {
        var headers: [SignatureV4.Field] = [("accept", "application/json")]
        if let file = endpoint.tokenFile {
            headers.append(("authorization", try SecretFile.text(file, of: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")))
        } else if let token = endpoint.token {
            headers.append(("authorization", token))
        }
        let host = CredentialsTransport.host(of: endpoint.url)
        let response = try await transport.send(
            .init(url: endpoint.url, headers: headers, timeout: .seconds(5), isLocal: !host.hasPrefix("https")))
        guard response.status == 200 else {
            throw CredentialsError(
                "the container's credentials service at \(host) answered \(response.status)",
                isTransient: RetryPolicy.isTransient(status: response.status, code: ""))
        }
        return try CredentialsDocument.read(response.body, from: host).credentials(from: host)
    }
}
