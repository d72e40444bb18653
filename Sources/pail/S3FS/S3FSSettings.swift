import Logging
import S3

/// What s3fs's command line asks for: Pail's options with s3fs's defaults, and what only s3fs knows.
///
/// A pure value. ``S3FSOptionTable``'s rows change it one by one; ``request(source:mountPoint:user:)`` puts together what stands in
/// several options at once.
struct S3FSSettings: Sendable, Equatable {
    /// Pail's options.
    var options: MountOptions
    /// `bucket=`
    var bucket: String?
    /// `url=`, without a slash at its end; nil for AWS's.
    var url: String?
    /// `servicepath=`, without a slash at its end.
    var servicePath = ""
    /// `use_path_request_style`
    var usesPathStyle = false
    /// `mp_umask=`
    var mountPointMask: UInt32?
    /// `profile=`
    var profile: String?
    /// `use_session_token`
    var needsSessionToken = false
    /// `tmpdir=`
    var temporaryDirectory: String?
    /// `use_cache=`
    var cacheDirectory: String?
    /// `-d` so many times.
    var debugLevel = 0
    /// What is to be told the person, a line each.
    var notices: [String] = []

    /// s3fs's defaults, as far as a user of the mount sees them.
    init() {
        var options = MountOptions()
        options.subtype = "s3fs"
        options.fsName = "s3fs"
        // metaheader.cpp: the permissions of what another tool stored.
        options.fileMode = 0o640
        options.directoryMode = 0o750
        // The stores for which somebody writes s3fs's options may know the older listing only.
        options.listVersion = 1
        // As s3fs with FUSE 3: libfuse takes `nonempty` no more, and a mount point with files in it is no error.
        options.allowsNonempty = true
        // s3fs's default is "crit"; what could not be stored has to be told.
        options.logLevel = .error
        options.fine.hasExtendedAttributes = false
        options.fine.showsDeniedAsNotPermitted = true
        options.fine.requiresPrefix = true
        options.fine.logIdentity = "s3fs"
        options.fine.logsToStandardOutput = true
        self.options = options
    }

    /// The mount asked for.
    func request(source: String, mountPoint: String, user: UInt32) throws(CommandError) -> MountRequest {
        var options = options
        let region = options.region ?? "us-east-1"
        options.region = region
        options.endpointURL = (url ?? EndpointURL(awsRegion: region).url) + servicePath
        do throws(EndpointURL.Malformed) {
            _ = try EndpointURL(options.endpointURL ?? "")
        } catch {
            throw CommandError(.usage, "option \"-o url\": \(error.message)")
        }
        options.addressing = usesPathStyle ? .path : .virtual
        options.fine.rootMode = rootMode
        options.stateDirectory =
            options.stateDirectory ?? temporaryDirectory.map { Self.stateDirectory(below: $0, user) }
        if let cacheDirectory {
            options.fine.cacheDirectory = Self.stateDirectory(below: cacheDirectory, user)
            // As in s3fs: as much as ensure_diskfree leaves.
            options.diskCache = 1 << 50
        }
        switch debugLevel {
        case 0: break
        case 1: options.logLevel = min(options.logLevel, .info)
        default: options.logLevel = .debug
        }
        let request = try MountRequest(positionals: [Self.pailSource(source), mountPoint], options: options)
        if !usesPathStyle { try Self.checkHostName(request.source.bucket, isSecure: !isPlain(options.endpointURL)) }
        return request
    }

    /// `bucket:/path` with or without `s3fs#` before it, in Pail's words.
    static func pailSource(_ text: String) -> String {
        var rest = text[...]
        if rest.utf8.starts(with: "s3fs#".utf8) { rest = rest.dropFirst(5) }
        // As s3fs: "bucket:" and "bucket:/" are the whole bucket.
        if rest.utf8.last == UInt8(ascii: ":") { rest = rest.dropLast() }
        return String(rest)
    }

    /// s3fs keeps temporary files in a directory that all may write to; Pail's own directory below it is for one user.
    static func stateDirectory(below directory: String, _ user: UInt32) -> String {
        directory + (directory.utf8.last == UInt8(ascii: "/") ? "" : "/") + "pail-s3fs-\(user)"
    }

    /// The root directory's permissions: all may enter where `allow_other` lets them, else the owner alone.
    private var rootMode: UInt32 {
        guard options.allowsOther else { return 0o700 }
        return 0o777 & ~(mountPointMask ?? 0)
    }

    private func isPlain(_ url: String?) -> Bool { url?.lowercased().hasPrefix("http://") ?? false }

    /// A bucket that stands in a host's name must be one: as s3fs refuses it.
    private static func checkHostName(_ bucket: String, isSecure: Bool) throws(CommandError) {
        if bucket.utf8.contains(where: { (0x41...0x5A).contains($0) }) {
            throw CommandError(
                .usage, "bucket \"\(bucket)\" has capitals, which go with \"-o use_path_request_style\" only")
        }
        if isSecure, bucket.utf8.contains(UInt8(ascii: ".")) {
            throw CommandError(
                .usage,
                "bucket \"\(bucket)\" has a dot, which goes with https with \"-o use_path_request_style\" only")
        }
    }

    /// The environment as s3fs reads it: it knows no variable for endpoint, region or profile, but `profile=`.
    func environment(from given: [String: String]) throws(CommandError) -> [String: String] {
        var result = given
        for name in [
            "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE",
            "AWS_DEFAULT_PROFILE",
        ] { result[name] = nil }
        result["AWS_PROFILE"] = profile
        let keys = [("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"), ("AWSACCESSKEYID", "AWSSESSIONTOKEN")]
        if needsSessionToken, options.passwdFile == nil {
            for (key, token) in keys where !(given[key] ?? "").isEmpty && (given[token] ?? "").isEmpty {
                throw CommandError(
                    .configuration, "option \"-o use_session_token\": the environment has \(key), but no \(token)")
            }
        }
        return result
    }
}
