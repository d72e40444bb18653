/// Where to go after an answer that says that the bucket is elsewhere: pure, so that it can be tested.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/Redirects.html>.
enum RegionRedirect {
    /// The place to try next; nil where the answer names none, or none other.
    static func next(
        after place: S3Store.Location, status: Int, headers: HTTPHeaders, document: ErrorDocument?,
        style: S3Configuration.AddressingStyle, bucket: String
    ) -> S3Store.Location? {
        let code = document?.code ?? ""
        let isElsewhere =
            (301...308).contains(status) || code == "PermanentRedirect" || code == "TemporaryRedirect"
            || code == "AuthorizationHeaderMalformed" || code == "IllegalLocationConstraintException"
            // A HEAD has no code to give.
            || ((status == 400 || status == 403) && document == nil)
        guard isElsewhere else { return nil }
        if let region = headers.value("x-amz-bucket-region") ?? document?.region, isPlain(region), region != place.region {
            return moved(place, to: region)
        }
        guard (301...308).contains(status) else { return nil }
        // Only a host is taken over, never a scheme or port: a redirect must not lead from https to http.
        let host: String
        if let endpoint = document?.endpoint, !endpoint.isEmpty {
            host = endpoint.lowercased()
        } else if let target = headers.value("location"), let parsed = try? Endpoint(target),
            parsed.scheme == place.endpoint.scheme, parsed.port == place.endpoint.port
        {
            host = parsed.host
        } else {
            return nil
        }
        guard isPlain(host), host != place.redirectedHost, host != place.endpoint.host else { return nil }
        var next = place
        switch style {
        case .virtualHost: next.redirectedHost = host
        case .path:
            // <Endpoint> names the bucket's own host: path style wants the one that it stands under.
            let prefix = "\(bucket.lowercased())."
            next.redirectedHost = host.hasPrefix(prefix) ? String(host.dropFirst(prefix.count)) : host
            if next.redirectedHost == place.endpoint.host { return nil }
        }
        return next
    }

    /// The same place for another region; AWS's own hosts carry the region in their name.
    static func moved(_ place: S3Store.Location, to region: String) -> S3Store.Location {
        var next = place
        next.region = region
        next.redirectedHost = nil
        let host = place.endpoint.host
        let china = region.hasPrefix("cn-") ? ".cn" : ""
        if host.hasSuffix(".amazonaws.com") || host.hasSuffix(".amazonaws.com.cn"),
            host.hasPrefix("s3.") || host.hasPrefix("s3-")
        {
            next.endpoint.host = "s3.\(region).amazonaws.com\(china)"
        }
        return next
    }

    /// A name of the characters that hosts and regions have.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 255
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
