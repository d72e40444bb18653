import Logging
import S3

/// Every option of s3fs (1.90 to 1.97 and its master of August 2026), declared once.
///
/// What is not here and not one of Pail's own options for the kernel is unknown, and an error, as libfuse makes it one for
/// s3fs.
enum S3FSOptionTable {
    /// Options that the documentation shows together.
    struct Group: Sendable {
        var title: String
        var options: [S3FSOption]
    }

    /// All options.
    static let groups: [Group] = [
        Group(title: "Credentials", options: credentials),
        Group(title: "Store and network", options: network),
        Group(title: "Transfers and caches", options: transfers),
        Group(title: "Permissions and names", options: permissions),
        Group(title: "Encryption and storage class", options: storage),
        Group(title: "Log and process", options: process),
        Group(title: "FUSE and mount(8)", options: kernel + fuse),
    ]

    /// Options by name.
    static let byName: [String: S3FSOption] = Dictionary(
        groups.flatMap(\.options).flatMap { option in option.names.map { ($0, option) } },
        uniquingKeysWith: { first, _ in preconditionFailure("two options of one name: \(first.names)") })

    private static let credentials: [S3FSOption] = [
        .mapped(
            "passwd_file", value: .required("FILE"), to: "passwd-file",
            "The same format and the same rules for its permissions; a line of no known form is an error. Read again when it "
                + "changes."),
        S3FSOption(
            "profile", value: .required("NAME"), .honoured,
            "The section of `~/.aws/credentials`, looked at after the environment. One that is nowhere is an error."
        ) { settings, text in settings.profile = text },
        S3FSOption("use_session_token", .honoured, "Keys in the environment need a session token beside them.") {
            settings, _ in settings.needsSessionToken = true
        },
        S3FSOption(
            "public_bucket", value: .required("0|1"), .mapped(to: "--anonymous"), "Requests are not signed."
        ) { settings, text throws(OptionSpec.Rejection) in
            settings.options.isAnonymous = try S3FSValue.isOn(text)
        },
        S3FSOption(
            "iam_role", value: .optional("auto|NAME"), .honoured,
            "The role of the EC2 instance, or that of this name, from EC2's metadata service (version 2); no other place is looked "
                + "at. Without the option that service is asked last."
        ) { settings, text in
            settings.options.fine.credentialsService = .instance(role: text == "auto" ? nil : text)
        },
        S3FSOption(
            "ecs", .honoured, "From the credentials service of the ECS task or EKS pod; no other place is looked at."
        ) { settings, _ in settings.options.fine.credentialsService = .container },
        S3FSOption(
            "imdsv1only", .mapped(to: "--instance-metadata"), "`v1`: without a token where the service gives none."
        ) { settings, _ in settings.options.instanceMetadata = .v1 },
        .idle(
            "ibm_iam_auth", because: "Pail does not ask IBM's IAM service; keys are looked for in the other places"),
        .idle("ibm_iam_endpoint", value: .required("URL"), because: "Pail does not ask IBM's IAM service"),
        S3FSOption(
            "credlib", value: .required("LIBRARY"),
            .refused(
                because: "Pail loads no libraries for credentials; use passwd_file, or a profile of ~/.aws/credentials")
        ),
        .idle("credlib_opts", value: .required("TEXT"), because: "Pail loads no libraries for credentials"),
        S3FSOption("sigv4", .honoured, "Always so."),
        .idle("sigv2", because: "requests are signed by version 4, which every store of today knows"),
        .mapped("requester_pays", to: "requester-pays"),
        S3FSOption(
            "ssl_client_cert", value: .required("CERT[:TYPE[:KEY[:TYPE[:PASSWORD]]]]"), .honoured,
            "The password may stand in the environment, as `S3FS_SSL_PRIVKEY_PASSWORD`: the command line is for all users to "
                + "read."
        ) { settings, text throws(OptionSpec.Rejection) in
            settings.options.fine.transport.clientCertificate = try ClientCertificateText.parse(text ?? "")
        },
        S3FSOption(
            "accessKeyId", also: ["secretAccessKey"], value: .required("KEY"),
            .refused(
                because: "keys on the command line are for all users to read; use passwd_file or the environment"),
            "As in s3fs."),
    ]

    private static let network: [S3FSOption] = [
        S3FSOption(
            "url", also: ["host"], value: .required("URL"), .mapped(to: "--endpoint-url"),
            "By default AWS's own for the region. Variables such as `AWS_ENDPOINT_URL` do not count under this name."
        ) { settings, text throws(OptionSpec.Rejection) in
            var url = text ?? ""
            while url.utf8.last == UInt8(ascii: "/") { url.removeLast() }
            guard url.lowercased().hasPrefix("http://") || url.lowercased().hasPrefix("https://") else {
                throw OptionSpec.Rejection(reason: "http://HOST[:PORT] or https://HOST[:PORT] expected")
            }
            settings.url = url
        },
        S3FSOption(
            "servicepath", value: .required("PATH"), .mapped(to: "--endpoint-url"), "The path behind the URL's host."
        ) { settings, text throws(OptionSpec.Rejection) in
            var path = text ?? ""
            while path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
            guard path.isEmpty || path.utf8.first == UInt8(ascii: "/") else {
                throw OptionSpec.Rejection(reason: "a path that begins with \"/\" expected")
            }
            settings.servicePath = path
        },
        .mapped(
            "region", also: ["endpoint"], value: .required("NAME"), to: "region",
            "Another region that the store names is followed in any case."),
        S3FSOption(
            "use_path_request_style", .mapped(to: "--addressing"),
            "`path`; without it the bucket stands in the host's name, and one with capitals, or with dots over https, is "
                + "refused."
        ) { settings, _ in settings.usesPathStyle = true },
        S3FSOption("listobjectsv2", .mapped(to: "--list-version"), "2; without it 1.") { settings, _ in
            settings.options.listVersion = 2
        },
        S3FSOption("noxmlns", .honoured, "Always so: names in answers count without their namespace."),
        .mapped("connect_timeout", value: .required("SECONDS"), to: "connect-timeout", "At most 300; 10 by default.") {
            text throws(OptionSpec.Rejection) in "\(min(try S3FSValue.seconds(text), 300))s"
        },
        S3FSOption(
            "readwrite_timeout", value: .required("SECONDS"), .honoured,
            "A transfer that moves nothing for so long is tried again; 30 by default. The limit for a request with all its "
                + "retries becomes at least twice that."
        ) { settings, text throws(OptionSpec.Rejection) in
            let seconds = try S3FSValue.seconds(text ?? "")
            settings.options.fine.stallLimit = .seconds(seconds)
            settings.options.requestDeadline = max(settings.options.requestDeadline, .seconds(min(2 * seconds, 3600)))
        },
        S3FSOption(
            "retries", value: .required("N"), .honoured,
            "So many attempts at most; by default as many as fit into a minute, at most 20."
        ) { settings, text throws(OptionSpec.Rejection) in
            settings.options.fine.maxAttempts = Int(try S3FSValue.integer(text, in: 0...1000))
        },
        .idle(
            "list_object_max_keys", value: .required("N"),
            because: "listings are asked for in pages of 1,000, S3's own limit"
        ),
        S3FSOption("nodnscache", .honoured) { settings, _ in settings.options.fine.transport.keepsAddresses = false },
        S3FSOption("nosscache", .honoured) { settings, _ in settings.options.fine.transport.keepsSessions = false },
        S3FSOption("no_check_certificate", .mapped(to: "--no-verify-tls")) { settings, _ in
            settings.options.verifiesTLS = false
        },
        S3FSOption(
            "ssl_verify_hostname", value: .required("0|1|2"), .honoured,
            "0 takes a certificate that was made out for another host."
        ) { settings, text throws(OptionSpec.Rejection) in
            settings.options.fine.transport.verifiesHostName = try S3FSValue.integer(text, in: 0...2) != 0
        },
        S3FSOption("cipher_suites", value: .required("LIST"), .honoured, "In OpenSSL's words; up to TLS 1.2.") {
            settings, text in settings.options.fine.transport.cipherSuites = text
        },
        S3FSOption("proxy", value: .required("URL"), .honoured, "`http_proxy`, `https_proxy`, `no_proxy` count too.") {
            settings, text in settings.options.fine.transport.proxy = text
        },
        S3FSOption(
            "proxy_cred_file", value: .required("FILE"), .honoured,
            "A line `USER:PASSWORD`; for the owner alone to read."
        ) { settings, text in settings.options.fine.proxyCredentialsFile = text },
        S3FSOption("ipresolve", value: .required("whatever|IPv4|IPv6"), .honoured) {
            settings, text throws(OptionSpec.Rejection) in
            switch text?.lowercased() {
            case "whatever": settings.options.fine.transport.addresses = .any
            case "ipv4": settings.options.fine.transport.addresses = .v4
            case "ipv6": settings.options.fine.transport.addresses = .v6
            default: throw OptionSpec.Rejection(reason: "whatever, IPv4 or IPv6 expected")
            }
        },
        S3FSOption("noua", .honoured, "No `User-Agent`.") { settings, _ in settings.options.fine.userAgent = "" },
        S3FSOption("enable_content_md5", .mapped(to: "--checksum"), "`md5`; else CRC32C.") { settings, _ in
            settings.options.checksum = .md5
        },
        S3FSOption(
            "enable_unsigned_payload", .honoured,
            "Always so: content is checked by CRC32C or MD5, its SHA-256 is not signed."),
        .idle("nocopyapi", because: "Pail copies on the server for every rename and change of attributes"),
        .idle("norenameapi", because: "Pail copies on the server for every rename"),
    ]

    private static let transfers: [S3FSOption] = [
        S3FSOption(
            "use_cache", value: .required("DIR"), .mapped(to: "--disk-cache"),
            "`DIR/pail-s3fs-UID`, for the mounting user alone, as far as ensure_diskfree leaves room. Blocks of objects, not files."
        ) { settings, text throws(OptionSpec.Rejection) in
            guard let text, !text.isEmpty else { throw OptionSpec.Rejection(reason: "a directory is missing") }
            settings.cacheDirectory = text
        },
        .idle("check_cache_dir_exist", because: "a cache's directory that cannot be used is always an error"),
        S3FSOption("del_cache", .honoured, "When the mount ends.") { settings, _ in
            settings.options.fine.dropsCache = true
        },
        S3FSOption(
            "tmpdir", value: .required("DIR"), .mapped(to: "--state-dir"),
            "`DIR/pail-s3fs-UID`, for the mounting user alone; data to be uploaded that finds no room in memory lies there."
        ) { settings, text throws(OptionSpec.Rejection) in
            guard let text, !text.isEmpty else { throw OptionSpec.Rejection(reason: "a directory is missing") }
            settings.temporaryDirectory = text
        },
        .idle(
            "max_stat_cache_size", value: .required("N"),
            because: "what is kept in memory is limited by its size in bytes"),
        .mapped(
            "stat_cache_expire", also: ["stat_cache_interval_expire"], value: .required("SECONDS"),
            to: "attribute-timeout",
            "At most 3600. Without it 1 second, where s3fs takes 900: what other hosts change is seen sooner."
        ) { text throws(OptionSpec.Rejection) in "\(try S3FSValue.seconds(text, atLeast: 0))s" },
        .idle(
            "enable_negative_cache", also: ["enable_noobj_cache"],
            because: "Pail knows from a directory's listing what is not there"),
        .idle(
            "disable_negative_cache", also: ["disable_noobj_cache"],
            because: "what is not there is known no longer than what is, see stat_cache_expire"),
        .mapped(
            "max_thread_count", value: .required("N"), to: "max-connections",
            "At most so many requests at once; by default 128."),
        .idle(
            "multireq_max", value: .required("N"),
            because: "requests run side by side as far as max_thread_count lets them"),
        S3FSOption(
            "parallel_count", also: ["parallel_upload"], value: .required("N"), .honoured,
            "So many parts of one file on their way at once; by default 8."
        ) { settings, text throws(OptionSpec.Rejection) in
            settings.options.fine.parallelParts = Int(try S3FSValue.integer(text, in: 1...256))
        },
        .mapped(
            "multipart_size", value: .required("MIB"), to: "part-size",
            "5 to 5120. It grows by itself for files of over 10,000 parts."
        ) { text throws(OptionSpec.Rejection) in "\(try S3FSValue.integer(text, in: 5...5120))MiB" },
        .idle("multipart_copy_size", value: .required("MIB"), because: "Pail chooses the size of server-side copies"),
        .idle(
            "multipart_threshold", value: .required("MIB"),
            because: "a file of multipart_size or more is uploaded in parts"),
        .idle(
            "putheader_mp_threshold", value: .required("MIB"), because: "Pail chooses the size of server-side copies"),
        .idle("singlepart_copy_limit", value: .required("MIB"), because: "Pail chooses the size of server-side copies"),
        .idle("max_dirty_data", value: .required("MIB"), because: "parts are uploaded as soon as they are full"),
        .mapped("ensure_diskfree", value: .required("MIB"), to: "min-free", "By default 1 GiB.") {
            text throws(OptionSpec.Rejection) in "\(try S3FSValue.integer(text, in: 0...(1 << 30)))MiB"
        },
        .idle(
            "free_space_ratio", value: .required("PERCENT"),
            because: "files are not copied to the disk to be read or written"),
        .idle(
            "fake_diskfree", value: .required("MIB"), because: "files are not copied to the disk to be read or written"),
        S3FSOption("nomultipart", .mapped(to: "--part-size"), "5 GiB: the most that one request may upload.") {
            settings, _ in settings.options.partSize = 5 << 30
        },
        .idle("nomixupload", because: "what is unchanged of a file is copied on the server, wherever the store can"),
        S3FSOption("streamupload", .honoured, "Always so."),
        S3FSOption("bucket_size", value: .required("N[GB|GiB|TB|TiB|PB|PiB|EB|EiB]"), .honoured, "What `df` shows.") {
            settings, text throws(OptionSpec.Rejection) in
            guard let bytes = BucketSize.parse(text ?? "") else {
                throw OptionSpec.Rejection(reason: "a size such as 100GiB expected, not \"\(text ?? "")\"")
            }
            settings.options.fine.capacity = bytes
        },
        .idle("fd_page_size", value: .required("BYTES"), because: "it has none in s3fs either"),
    ]

    private static let permissions: [S3FSOption] = [
        .mapped("uid", value: .required("ID"), to: "uid"),
        .mapped("gid", value: .required("ID"), to: "gid"),
        .mapped("umask", value: .required("MASK"), to: "umask", "Files and directories show 0777 without these bits."),
        S3FSOption(
            "mp_umask", value: .required("MASK"), .honoured,
            "With `allow_other` the root directory has 0777 without these bits; without, 0700."
        ) { settings, text throws(OptionSpec.Rejection) in settings.mountPointMask = try S3FSValue.permissions(text) },
        S3FSOption("default_acl", value: .required("ACL"), .honoured, "A canned ACL for all that is stored.") {
            settings, text throws(OptionSpec.Rejection) in
            guard let text, CannedACL.known.contains(text) else {
                throw OptionSpec.Rejection(reason: "\(CannedACL.known.joined(separator: ", ")) expected")
            }
            settings.options.fine.acl = text == "private" ? nil : text
        },
        S3FSOption(
            "use_xattr", value: .optional("0|1"), .honoured, "Without it there are no extended attributes, as in s3fs."
        ) { settings, text throws(OptionSpec.Rejection) in
            settings.options.fine.hasExtendedAttributes = try S3FSValue.isOn(text)
        },
        .idle(
            "compat_dir",
            because: "objects named DIR_$folder$ are shown as files; directories that only keys imply are shown"),
        S3FSOption("notsup_compat_dir", .honoured, "Always so."),
        .idle("complement_stat", because: "it has none in s3fs either"),
        .idle(
            "update_parent_dir_stat",
            because: "it is Pail's own affair when a directory's times change; see SEMANTICS.md"),
        S3FSOption(
            "hard_remove", .honoured, "Always so: a file unlinked while open leaves no `.fuse_hidden…` object behind."),
        .idle("use_wtf8", because: "a name that is not UTF-8 cannot be a key and is refused"),
        .idle("createbucket", because: "Pail creates no buckets"),
    ]

    private static let storage: [S3FSOption] = [
        S3FSOption(
            "use_sse", value: .optional("1|kmsid[:ID]|custom[:FILE]"), .honoured,
            "SSE-S3, SSE-KMS (`AWSSSEKMSID` tells the key too), and SSE-C with the first key of FILE, of `load_sse_c` or of "
                + "`AWSSSECKEYS`; over https only."
        ) { settings, text throws(OptionSpec.Rejection) in
            try ServerSideEncryptionText.apply(text, to: &settings.options.fine)
        },
        S3FSOption(
            "load_sse_c", value: .required("FILE"), .mapped(to: "--sse-c-key-file"),
            "Keys to read what was stored by SSE-C; one in base64 a line, for the owner alone to read."
        ) { settings, text in settings.options.fine.customerKeyFile = text },
        S3FSOption("use_rrs", value: .optional("0|1"), .mapped(to: "--storage-class"), "`REDUCED_REDUNDANCY`.") {
            settings, text throws(OptionSpec.Rejection) in
            settings.options.storageClass = try S3FSValue.isOn(text) ? "REDUCED_REDUNDANCY" : nil
        },
        .mapped(
            "storage_class", value: .required("CLASS"), to: "storage-class",
            "Objects that are changed keep theirs, where s3fs gives them the mount's."
        ) { text in text.uppercased() },
        S3FSOption("mime", value: .required("FILE"), .honoured, "By default `/etc/mime.types`.") { settings, text in
            settings.options.fine.contentTypesFile = text
        },
        .idle(
            "ahbe_conf", value: .required("FILE"),
            because: "Pail adds no headers by a file's name; those that an object has are kept"),
    ]

    private static let process: [S3FSOption] = [
        S3FSOption("bucket", value: .required("BUCKET[:/PATH]"), .honoured, "In place of the first argument.") {
            settings, text in settings.bucket = text
        },
        .mapped("logfile", value: .required("FILE"), to: "log-file", "`S3FS_LOGFILE` as well. SIGHUP opens it anew."),
        .mapped(
            "dbglevel", value: .required("crit|err|warn|info|dbg"), to: "log-level",
            "By default `err`, where s3fs takes `crit`: what could not be stored is told. SIGUSR2 goes to the next."
        ) { text throws(OptionSpec.Rejection) in
            guard let level = S3FSLogLevel(text) else {
                throw OptionSpec.Rejection(reason: "crit, err, warn, info or dbg expected, not \"\(text)\"")
            }
            return level.level.rawValue
        },
        S3FSOption(
            "curldbg", value: .optional("normal|body"), .mapped(to: "--log-level"),
            "`debug`: requests that are tried again. Headers and bodies are not logged."
        ) { settings, text throws(OptionSpec.Rejection) in
            guard text == nil || text == "normal" || text == "body" else {
                throw OptionSpec.Rejection(reason: "normal or body expected")
            }
            settings.options.logLevel = .debug
        },
        .idle("insecure_logging", because: "Pail logs no keys and no signatures, whatever is asked"),
        S3FSOption("no_time_stamp_msg", .honoured, "`S3FS_MSGTIMESTAMP=no` as well.") { settings, _ in
            settings.options.fine.logsTime = false
        },
        S3FSOption("instance_name", value: .required("NAME"), .honoured, "Every line of the log carries it.") {
            settings, text in settings.options.fine.instanceName = text
        },
        S3FSOption(
            "set_check_cache_sigusr1", value: .optional("FILE"), .honoured,
            "There is no cache to check: SIGUSR1 reports requests and data on their way, to this file or to the log."
        ) { settings, text in settings.options.fine.reportFile = text },
    ]

    /// What `pail mount` hands to the kernel as well.
    private static let kernel: [S3FSOption] = MountOptionTable.kernelOptions.filter { $0.name != "nonempty" }.map {
        spec in
        S3FSOption(
            spec.name, value: spec.placeholder.map { .required($0) } ?? .none,
            .mapped(to: spec.spelling), spec.help
        ) { settings, text throws(OptionSpec.Rejection) in
            try spec.apply(&settings.options, text ?? "")
        }
    }

    /// libfuse's own (mount.fuse3(8)), of FUSE 2 and 3.
    private static let fuse: [S3FSOption] =
        [
            .mapped("ro", to: "read-only"),
            S3FSOption("nonempty", .honoured, "Always so: a mount point with files in it is no error."),
            S3FSOption("big_writes", also: ["large_read", "async_read", "atomic_o_trunc"], .honoured, "Always so."),
            S3FSOption("auto_cache", .honoured, "Always so: cached content is dropped when a file has changed."),
            S3FSOption("debug", .mapped(to: "--log-level"), "`debug`.") { settings, _ in
                settings.options.logLevel = .debug
            },
        ]
        + [
            "auto_unmount", "kernel_cache", "direct_io", "sync_read", "no_remote_lock", "no_remote_flock",
            "no_remote_posix_lock", "use_ino", "readdir_ino", "noforget", "intr", "clone_fd", "f2",
            "splice_read", "splice_write", "splice_move", "no_splice_read", "no_splice_write", "no_splice_move",
            "blkdev",
        ].map { .idle($0, because: "Pail sets by itself how it talks to FUSE") }
        + [
            "attr_timeout", "entry_timeout", "negative_timeout", "ac_attr_timeout", "max_read", "max_write",
            "max_readahead", "max_background", "congestion_threshold", "max_idle_threads", "max_threads", "remember",
            "intr_signal", "modules", "blksize",
        ].map { .idle($0, value: .required("VALUE"), because: "Pail sets by itself how it talks to FUSE") }
}
