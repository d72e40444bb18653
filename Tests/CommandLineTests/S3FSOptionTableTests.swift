import Logging
import ObjectStore
import S3
import Testing

@testable import pail

@Suite struct S3FSOptionTableTests {
    /// Part 2.1 of what is known of s3fs: its options from 1.90 to the master of August 2026.
    static let ofS3FS = """
        passwd_file profile use_session_token iam_role ecs imdsv1only ibm_iam_auth ibm_iam_endpoint credlib credlib_opts
        public_bucket sigv2 sigv4 requester_pays ssl_client_cert accessKeyId secretAccessKey url host servicepath region endpoint
        use_path_request_style listobjectsv2 noxmlns connect_timeout readwrite_timeout retries list_object_max_keys nodnscache
        nosscache no_check_certificate ssl_verify_hostname cipher_suites proxy proxy_cred_file ipresolve noua
        enable_content_md5 enable_unsigned_payload nocopyapi norenameapi use_cache check_cache_dir_exist del_cache tmpdir
        max_stat_cache_size stat_cache_expire stat_cache_interval_expire enable_negative_cache disable_negative_cache
        enable_noobj_cache disable_noobj_cache max_thread_count multireq_max parallel_count parallel_upload multipart_size
        multipart_copy_size multipart_threshold putheader_mp_threshold singlepart_copy_limit max_dirty_data ensure_diskfree
        free_space_ratio fake_diskfree nomultipart nomixupload streamupload bucket_size fd_page_size uid gid umask mp_umask
        allow_other default_acl use_xattr compat_dir notsup_compat_dir complement_stat update_parent_dir_stat hard_remove
        use_wtf8 ro rw nosuid nodev noexec noatime allow_root default_permissions kernel_cache direct_io use_sse load_sse_c
        use_rrs storage_class mime ahbe_conf logfile dbglevel curldbg insecure_logging no_time_stamp_msg instance_name
        set_check_cache_sigusr1 bucket nonempty createbucket f2
        """.split(whereSeparator: \.isWhitespace).map(String.init)

    @Test func everyOptionOfS3FSIsKnown() {
        for name in Self.ofS3FS { #expect(S3FSOptionTable.byName[name] != nil, "\(name)") }
    }

    /// A value that each placeholder stands for.
    private static let values: [String: String] = [
        "FILE": "/f", "NAME": "name", "auto|NAME": "role", "URL": "http://h:1", "LIBRARY": "l.so", "TEXT": "t",
        "0|1": "1",
        "CERT[:TYPE[:KEY[:TYPE[:PASSWORD]]]]": "/c:PEM:/k:PEM:pw", "KEY": "k", "PATH": "/p", "SECONDS": "42", "N": "7",
        "0|1|2": "0", "LIST": "HIGH", "whatever|IPv4|IPv6": "IPv4", "DIR": "/d", "MIB": "64", "PERCENT": "5",
        "N[GB|GiB|TB|TiB|PB|PiB|EB|EiB]": "3TiB", "BYTES": "4096", "ID": "7", "MASK": "022", "ACL": "public-read",
        "1|kmsid[:ID]|custom[:FILE]": "kmsid:key", "CLASS": "standard_ia", "BUCKET[:/PATH]": "other",
        "crit|err|warn|info|dbg": "info", "normal|body": "body", "VALUE": "1",
    ]

    @Test func everyRowSetsSomethingOrSaysWhyNot() throws {
        for option in S3FSOptionTable.groups.flatMap(\.options) {
            var entry = option.names[0]
            switch option.value {
            case .none: break
            case .required(let placeholder), .optional(let placeholder):
                entry += "=" + (try #require(Self.values[placeholder], "\(placeholder)"))
            }
            if case .refused(let reason) = option.effect {
                #expect(throws: CommandError.self, "\(entry)") { try S3FSArguments(parsing: ["/m", "-o", entry]) }
                #expect(!reason.isEmpty)
                continue
            }
            let arguments = option.names[0] == "bucket" ? ["/m", "-o", entry] : ["b1c", "/m", "-o", entry]
            guard case .mount(let settings, _, _) = try S3FSArguments(parsing: arguments) else {
                #expect(Bool(false), "\(entry)")
                continue
            }
            switch option.effect {
            case .withoutEffect(let reason):
                #expect(settings.notices == ["option \"-o \(option.names[0])\" has no effect: \(reason)"], "\(entry)")
                var silent = settings
                silent.notices = []
                #expect(silent == S3FSSettings(), "\(entry) has an effect")
            case .honoured, .mapped:
                #expect(settings.notices.isEmpty, "\(entry)")
                let isAlways =
                    option.note.hasPrefix("Always so")
                    || MountOptionTable.byName[OptionSpec.canonical(option.names[0])]?.isAlways == true
                // A report by SIGUSR1 is given in any case, and `rw` is the default.
                let isDefault = ["rw"].contains(option.names[0])
                #expect((settings == S3FSSettings()) == (isAlways || isDefault), "\(entry)")
            case .refused: break
            }
        }
    }

    @Test func everyNameOfARowMeansTheSame() throws {
        for option in S3FSOptionTable.groups.flatMap(\.options) where option.names.count > 1 {
            for name in option.names { #expect(S3FSOptionTable.byName[name]?.names == option.names) }
        }
    }

    private func options(_ list: String) throws -> MountOptions {
        guard case .mount(let settings, let source, let point) = try S3FSArguments(parsing: ["b1c", "/m", "-o", list])
        else {
            throw CommandError(.failure, "no mount")
        }
        return try settings.request(source: source, mountPoint: point, user: 0).options
    }

    @Test func valuesArriveInPailsUnits() throws {
        #expect(try options("multipart_size=20").partSize == 20 << 20)
        #expect(try options("nomultipart").partSize == 5 << 30)
        #expect(try options("connect_timeout=300").connectTimeout == .seconds(300))
        #expect(try options("connect_timeout=900").connectTimeout == .seconds(300))
        #expect(try options("readwrite_timeout=120").fine.stallLimit == .seconds(120))
        #expect(try options("readwrite_timeout=120").requestDeadline == .seconds(240))
        #expect(try options("stat_cache_expire=900").attributeTimeout == .seconds(900))
        #expect(try options("stat_cache_expire=0").attributeTimeout == .zero)
        #expect(try options("max_thread_count=20").maxConnections == 20)
        #expect(try options("parallel_count=15").fine.parallelParts == 15)
        #expect(try options("storage_class=onezone_ia").storageClass == "ONEZONE_IA")
        #expect(try options("use_rrs").storageClass == "REDUCED_REDUNDANCY")
        #expect(try options("use_rrs=0").storageClass == nil)
        #expect(try options("use_sse").fine.serverSideEncryption == "AES256")
        #expect(try options("use_sse=1").fine.serverSideEncryption == "AES256")
        #expect(try options("use_sse=k:id").fine.kmsKeyID == "id")
        #expect(try options("default_acl=private").fine.acl == nil)
        #expect(try options("use_xattr=0").fine.hasExtendedAttributes == false)
        #expect(try options("use_xattr").fine.hasExtendedAttributes)
        #expect(try options("enable_content_md5").checksum == .md5)
        #expect(try options("public_bucket=1").isAnonymous)
        #expect(try !options("public_bucket=0").isAnonymous)
        #expect(try options("url=http://h:1/,servicepath=/services/Walrus").endpointURL == "http://h:1/services/Walrus")
        #expect(try options("endpoint=eu-central-1").endpointURL == "https://s3.eu-central-1.amazonaws.com")
        #expect(try options("dbglevel=warn").logLevel == .warning)
        #expect(try options("curldbg").logLevel == .debug)
        #expect(try options("no_check_certificate").verifiesTLS == false)
        #expect(try options("bucket_size=2GB").fine.capacity == 2_000_000_000)
    }

    @Test(arguments: [
        "multipart_size=4", "multipart_size=x", "retries=-1", "use_xattr=2", "default_acl=all", "use_sse=kms",
        "umask=8",
        "dbglevel=loud", "bucket_size=0", "bucket_size=9EB9", "bucket_size=99EiB", "ipresolve=IPv5", "servicepath=x",
        "url=ftp://h",
        "stat_cache_expire=-1", "storage_class=a-b", "curldbg=all", "ssl_client_cert=:PEM", "connect_timeout=soon",
    ])
    func valuesThatMakeNoSenseAreRefused(_ entry: String) {
        #expect(throws: CommandError.self) { try options(entry) }
    }

    @Test func clientCertificates() throws {
        let found = try ClientCertificateText.parse("/c:PEM:/k::a:b")
        #expect(found == .init(file: "/c", type: "PEM", keyFile: "/k", keyType: nil, password: "a:b"))
        #expect(try ClientCertificateText.parse("/c") == .init(file: "/c"))
    }

    @Test func proxyCredentials() {
        #expect(ProxyCredentials.parse("# comment\n\n user:pass:word \n") == "user:pass:word")
        for text in ["", "user", ":pass", "a:b\nc:d\n", "# only\n"] { #expect(ProxyCredentials.parse(text) == nil) }
    }

    @Test func theAgeOfUploads() {
        #expect(UploadAge("all")?.seconds == 0)
        let days: Int64 = 365 + 6 * 30 + 10
        #expect(UploadAge("1Y6M10D12h30m30s")?.seconds == days * 86400 + 45030)
        #expect(UploadAge("90m")?.seconds == 5400)
        for text in ["", "1", "D", "1D1D", "1h1D", "1x", "-1D", "1D ", "99999999Y"] {
            #expect(UploadAge(text) == nil, "\(text)")
        }
    }

    @Test func onlyOldUploadsAreChosen() {
        func upload(_ id: String, _ seconds: Int64?) -> MultipartUpload {
            MultipartUpload(key: ObjectKey("k"), id: id, initiated: seconds.map { Timestamp(seconds: $0) })
        }
        let all = [upload("old", 100), upload("new", 950), upload("unknown", nil), upload("edge", 900)]
        let age = UploadAge(seconds: 100)
        #expect(UnfinishedUploads.chosen(from: all, olderThan: age, now: 1000).map(\.id) == ["old", "edge"])
        #expect(UnfinishedUploads.chosen(from: all, olderThan: UploadAge(seconds: 0), now: 1000).count == 4)
        #expect(
            UnfinishedUploads.entry(upload("id\n", 0))
                == " Path     : /k\n UploadId : id\\n\n Date     : 1970-01-01T00:00:00Z")
    }

    @Test func theLogsLevelsGoAround() {
        var level = Logger.Level.critical
        var seen: [Logger.Level] = []
        for _ in 0..<5 {
            level = S3FSLogLevel.next(after: level)
            seen.append(level)
        }
        #expect(seen == [.error, .warning, .info, .debug, .critical])
        #expect(S3FSLogLevel.next(after: .notice) == .info)
        #expect(S3FSLogLevel.next(after: .trace) == .critical)
    }

    @Test func messagesNameTheOptionsOfThisCommandLine() {
        #expect(S3FSMessage.line("x; check --endpoint-url") == "s3fs: x; check -o url")
        #expect(S3FSMessage.error(CommandError(.refused, "--ca-bundle")) == CommandError(.failure, "CURL_CA_BUNDLE"))
        #expect(S3FSMessage.text("--state-dir\nx") == "-o tmpdir\nx")
    }

    @Test func theReportCountsTheRequests() {
        var statistics = RequestStatistics()
        statistics.requests = ["PutObject": 2, "HeadObject": 3]
        let lines = MountReport(pendingRequests: 1, statistics: statistics).lines
        #expect(lines.first == "waiting requests: 1")
        #expect(lines.contains("requests to the store: 5"))
        #expect(lines.suffix(2) == ["  HeadObject: 3", "  PutObject: 2"])
    }
}
