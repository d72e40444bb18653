internal import ObjectStore

/// AWS's Security Token Service: roles in exchange for other credentials or for a token. One request each.
struct SecurityTokenService {
    let transport: CredentialsTransport

    /// AssumeRole, signed. <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
    func assume(_ role: AssumedRole, with base: Credentials, now: Int64) async throws(CredentialsError) -> Credentials {
        var form: [(String, String)] = [
            ("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", role.arn),
            ("RoleSessionName", role.sessionName),
        ]
        if let duration = role.duration { form.append(("DurationSeconds", "\(duration)")) }
        if let id = role.externalID { form.append(("ExternalId", id)) }
        let body = Self.encode(form)
        let scope = SignatureV4.Scope(timestamp: DateFormats.basic(now), region: role.region, service: "sts")
        var fields: [SignatureV4.Field] = [
            ("content-type", Self.contentType), ("host", Self.authority(role.endpoint)),
            ("x-amz-date", scope.timestamp),
        ]
        if let token = base.sessionToken { fields.append(("x-amz-security-token", token)) }
        let signature = SignatureV4.sign(
            method: "POST", path: Self.path(role.endpoint).utf8, query: [], fields: fields,
            payloadHash: Hexadecimal.string(Digest.sha256(body)), scope: scope,
            key: SignatureV4.derivedKey(secret: base.secretAccessKey, scope: scope))
        fields.append(("authorization", signature.authorization(accessKeyID: base.accessKeyID, scope: scope)))
        return try await ask(role.endpoint, fields, body, root: "AssumeRoleResponse", what: "AssumeRole of \(role.arn)")
    }

    /// AssumeRoleWithWebIdentity, not signed: the token is what speaks for the caller. The token's file is read anew.
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
    func assume(_ identity: WebIdentity) async throws(CredentialsError) -> Credentials {
        let token = try SecretFile.text(identity.tokenFile, of: "the web identity token")
        var form: [(String, String)] = [
            ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", identity.arn),
            ("RoleSessionName", identity.sessionName), ("WebIdentityToken", token),
        ]
        if let duration = identity.duration { form.append(("DurationSeconds", "\(duration)")) }
        return try await ask(
            identity.endpoint, [("content-type", Self.contentType), ("host", Self.authority(identity.endpoint))],
            Self.encode(form), root: "AssumeRoleWithWebIdentityResponse",
            what: "AssumeRoleWithWebIdentity of \(identity.arn)")
    }

    private func ask(
        _ endpoint: EndpointURL, _ fields: [SignatureV4.Field], _ body: [UInt8], root: String, what: String
    ) async throws(CredentialsError) -> Credentials {
        let response = try await transport.send(
            .init(
                method: .post, url: endpoint.url + (endpoint.path.isEmpty ? "/" : ""), headers: fields, body: body,
                isLocal: ContainerEndpoint.isTrusted(host: endpoint.host)))
        guard response.status < 300 else { throw Self.refusal(response, what) }
        let values: [String: String]
        do throws(XMLReader.Failure) { values = try FlatDocument.read(response.body, root: root) } catch {
            throw CredentialsError("\(what): \(error)")
        }
        guard let key = values["AccessKeyId"], let secret = values["SecretAccessKey"],
            let token = values["SessionToken"],
            let end = values["Expiration"].flatMap(DateFormats.parseISO8601)
        else { throw CredentialsError("\(what): the answer has no credentials with a token and an end") }
        return Credentials(accessKeyID: key, secretAccessKey: secret, sessionToken: token, expiration: end)
    }

    private static let contentType = "application/x-www-form-urlencoded; charset=utf-8"

    private static func path(_ endpoint: EndpointURL) -> String { endpoint.path.isEmpty ? "/" : endpoint.path }

    private static func authority(_ endpoint: EndpointURL) -> String {
        endpoint.host + (endpoint.port.map { ":\($0)" } ?? "")
    }

    private static func encode(_ form: [(String, String)]) -> [UInt8] {
        Array(form.map { "\($0)=\(URIEncoding.encode($1, keepingSlash: false))" }.joined(separator: "&").utf8)
    }

    /// What the service says of why not: `403 AccessDenied: User: … is not authorized to perform: sts:AssumeRole`.
    private static func refusal(_ response: HTTPResponse, _ what: String) -> CredentialsError {
        let document = ErrorDocument(response.body)
        let code = document?.code ?? ""
        var text = "\(what): \(response.status)" + (code.isEmpty ? "" : " \(code)")
        if let message = document?.message, !message.isEmpty { text += ": \(message.prefix(300))" }
        var error = CredentialsError(
            text,
            isTransient: RetryPolicy.isTransient(status: response.status, code: code) || code == "IDPCommunicationError"
        )
        switch code {
        case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidToken":
            error.refusesKeys = true
        default: break
        }
        return error
    }
}

/// A small file that holds a secret and nothing else: a token that somebody replaces from time to time.
enum SecretFile {
    /// The file's text without white space around it.
    static func text(_ path: String, of what: String) throws(CredentialsError) -> String {
        let bytes: [UInt8]?
        do throws(ConfigurationError) { bytes = try ConfigurationFile.read(path) } catch {
            throw CredentialsError("\(what): \(error)")
        }
        guard let bytes else { throw CredentialsError("\(what): there is no file \(path)", isTransient: true) }
        var text = bytes[...]
        while let last = text.last, last <= 0x20 { text.removeLast() }
        while let first = text.first, first <= 0x20 { text.removeFirst() }
        guard !text.isEmpty, text.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            // Empty for a moment, where it is written in place.
            throw CredentialsError("\(what): \(path) holds no token of one line", isTransient: text.isEmpty)
        }
        return String(decoding: text, as: UTF8.self)
    }
}
