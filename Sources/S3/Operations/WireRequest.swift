internal import ObjectStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// From an operation to the bytes that go out: addresses, queries, headers, the signature.
extension S3Store {
    /// Seconds of Unix time by this machine's clock.
    static func wallClock() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec)
    }

    /// The request as it goes out: URL and headers as bytes, signed.
    func wireRequest(
        _ request: S3Request, credentials: Credentials?, place: Location, timeout: Duration
    ) throws(StoreError) -> HTTPRequest {
        let host =
            place.redirectedHost
            ?? (configuration.addressing == .virtualHost
                ? "\(configuration.bucket).\(place.endpoint.host)" : place.endpoint.host)
        let authority = place.endpoint.authority(host: host)
        var path = Array(place.endpoint.base.utf8)
        if configuration.addressing == .path {
            path.append(UInt8(ascii: "/"))
            URIEncoding.append(configuration.bucket, keepingSlash: false, to: &path)
        }
        if let key = request.key {
            path.append(UInt8(ascii: "/"))
            URIEncoding.append(key.string, keepingSlash: true, to: &path)
        } else if path.isEmpty || configuration.addressing == .virtualHost {
            path.append(UInt8(ascii: "/"))
        }
        let query = Self.encodedQuery(request.query)

        var fields: [SignatureV4.Field] = []
        fields.reserveCapacity(request.headers.count + configuration.extraHeaders.count + 6)
        fields.append(("host", authority))
        fields += request.headers
        for extra in configuration.extraHeaders { fields.append((extra.name.lowercased(), extra.value)) }
        if configuration.requesterPays { fields.append(("x-amz-request-payer", "requester")) }
        for field in fields where !Self.isSendable(field) {
            throw StoreError(
                .invalidRequest, operation: request.operation.rawValue, key: request.key,
                message: "the header \(field.name) holds a line end, a NUL or no proper name")
        }
        var authorization: String?
        if let credentials {
            let now = Self.wallClock() + clockOffset.load(ordering: .relaxed)
            let scope = SignatureV4.Scope(timestamp: DateFormats.basic(now), region: place.region)
            let payload =
                request.payloadHash ?? (request.body == nil ? SignatureV4.emptyPayload : SignatureV4.unsignedPayload)
            fields.append(("x-amz-content-sha256", payload))
            fields.append(("x-amz-date", scope.timestamp))
            if let token = credentials.sessionToken { fields.append(("x-amz-security-token", token)) }
            let key = signingKeys.key(secret: credentials.secretAccessKey, scope: scope)
            authorization = SignatureV4.sign(
                method: request.method.rawValue, path: path, query: query, fields: fields, payloadHash: payload,
                scope: scope, key: key
            ).authorization(accessKeyID: credentials.accessKeyID, scope: scope)
        }

        var url: [UInt8] = []
        url.reserveCapacity(16 + authority.utf8.count + path.count + query.count)
        url.append(contentsOf: place.endpoint.scheme.utf8)
        url.append(contentsOf: "://".utf8)
        url.append(contentsOf: authority.utf8)
        url.append(contentsOf: path)
        if !query.isEmpty {
            url.append(UInt8(ascii: "?"))
            url.append(contentsOf: query)
        }
        url.append(0)

        var wire = HTTPRequest(
            method: request.method, url: url, headers: Self.headerBlock(fields, authorization: authorization),
            body: request.body, receiver: request.receiver, collectLimit: request.collectLimit, timeout: timeout)
        // Who waits for no store longer than so waits for no byte of one either.
        let stallLimit = min(configuration.stallLimit, configuration.requestDeadline)
        wire.stallSeconds = Int(max(1, stallLimit.components.seconds))
        switch request.pace {
        case .metadata: wire.expectedLength = Int64(request.collectLimit > 64 << 10 ? request.collectLimit : 0)
        case .transfer(let length): wire.expectedLength = request.receiver == nil ? 0 : length
        case .serverSide: wire.stallSeconds = 0
        }
        return wire
    }

    /// The query in order of its encoded names, as it is signed.
    static func encodedQuery(_ query: [(name: String, value: String?)]) -> [UInt8] {
        guard !query.isEmpty else { return [] }
        let encoded = query.map { item in
            (
                URIEncoding.encode(item.name, keepingSlash: false),
                URIEncoding.encode(item.value ?? "", keepingSlash: false)
            )
        }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
        var output: [UInt8] = []
        for (name, value) in encoded {
            if !output.isEmpty { output.append(UInt8(ascii: "&")) }
            output.append(contentsOf: name.utf8)
            output.append(UInt8(ascii: "="))
            output.append(contentsOf: value.utf8)
        }
        return output
    }

    /// Nothing that could end the line or begin another.
    static func isSendable(_ field: SignatureV4.Field) -> Bool {
        !field.name.isEmpty
            && field.name.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: ":") }
            && field.value.utf8.allSatisfy { ($0 >= 32 && $0 != 127) || $0 == 9 }
    }

    /// The lines for libcurl, each NUL-terminated. `name;` is how it wants a field without a value, `name:` takes out one of its own.
    static func headerBlock(_ fields: [SignatureV4.Field], authorization: String?) -> [UInt8] {
        var block: [UInt8] = []
        block.reserveCapacity(1024)
        for (name, value) in fields {
            block.append(contentsOf: name.utf8)
            if value.isEmpty {
                block.append(UInt8(ascii: ";"))
            } else {
                block.append(UInt8(ascii: ":"))
                block.append(UInt8(ascii: " "))
                block.append(contentsOf: value.utf8)
            }
            block.append(0)
        }
        if let authorization {
            block.append(contentsOf: "authorization: ".utf8)
            block.append(contentsOf: authorization.utf8)
            block.append(0)
        }
        block.append(contentsOf: "expect:\0accept:\0".utf8)
        return block
    }
}
