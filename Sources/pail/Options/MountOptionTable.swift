import FileSystem
import Logging
import S3

/// Every option of `pail mount`, declared once.
enum MountOptionTable {
    /// Options that the help shows together.
    struct Group: Sendable {
        var title: String
        var options: [OptionSpec]
    }

    /// All options, in the order of the help.
    static let groups: [Group] = [
        Group(title: "Store", options: store),
        Group(title: "Credentials", options: credentials),
        Group(title: "Transfers", options: transfers),
        Group(title: "File system", options: fileSystem),
        Group(title: "Process", options: process),
        Group(title: "Kernel", options: kernelOptions),
    ]

    /// Options by canonical name.
    static let byName: [String: OptionSpec] = Dictionary(
        groups.flatMap(\.options).flatMap { option in option.names.map { ($0, option) } },
        uniquingKeysWith: { first, _ in preconditionFailure("two options of one name: \(first.name)") })

    /// Options by their short spelling.
    static let byShortName: [Character: OptionSpec] = Dictionary(
        groups.flatMap(\.options).compactMap { option in option.short.map { ($0, option) } },
        uniquingKeysWith: { first, _ in preconditionFailure("two options of one letter: \(first.name)") })

    /// Words that mount(8), fstab and systemd put into an option list and that mean nothing here.
    static let ignoredWords: Set<String> = [
        "-netdev", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "defaults", "rw-symlinks",
    ]

    /// Whether a word of an option list means nothing here: `_netdev`, `x-systemd.automount`, `comment=…`.
    static func isIgnored(_ canonicalName: String) -> Bool {
        ignoredWords.contains(canonicalName) || canonicalName.utf8.starts(with: "x-".utf8) || canonicalName == "comment"
    }

    private static let store: [OptionSpec] = [
        .text(
            "endpoint-url", "URL", \.endpointURL, standard: "AWS's own, by region",
            "The store: http://HOST[:PORT] or https://HOST[:PORT]. Else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the "
                + "profile's endpoint_url."
        ) { text in
            do throws(EndpointURL.Malformed) {
                _ = try EndpointURL(text)
                return nil
            } catch {
                return error.message
            }
        },
        .text(
            "region", "NAME", \.region, standard: "us-east-1",
            "The region to sign for. Else AWS_REGION, AWS_DEFAULT_REGION, the profile's region."
        ) { EndpointURL.isRegion($0) ? nil : "a region such as eu-central-1 expected" },
        .choice(
            "addressing", standard: "auto",
            "Where the bucket stands in the URL: in its path, in its host's name, or (auto) in the name for AWS's own hosts "
                + "and in the path for any other."
        ) { options, choice in options.addressing = choice },
        .text(
            "ca-bundle", "FILE", \.caBundle, standard: "the system's",
            "Certificates to trust, in PEM. Else AWS_CA_BUNDLE, the profile's ca_bundle, CURL_CA_BUNDLE."),
        OptionSpec(
            name: "client-cert", placeholder: "FILE[:KEYFILE]", standard: "none",
            help:
                "The certificate to show to a store that asks for one, in PEM, and its key where that is in another file."
        ) { options, text throws(OptionSpec.Rejection) in
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.allSatisfy({ !$0.isEmpty }) else {
                throw OptionSpec.Rejection(reason: "a file's name is missing")
            }
            options.fine.transport.clientCertificate = .init(file: parts[0], keyFile: parts.count == 2 ? parts[1] : nil)
        },
        .text(
            "proxy", "URL", \.fine.transport.proxy, standard: "https_proxy, http_proxy, no_proxy",
            "The proxy to reach the store by."
        ) { $0.contains("@") ? "no user and password here; see proxy-passwd-file" : nil },
        .text(
            "proxy-passwd-file", "FILE", \.fine.proxyCredentialsFile, standard: "none",
            "A file with a line USER:PASSWORD for the proxy, mode 0600."),
        .flag(
            "no-verify-tls", \.verifiesTLS, to: false,
            "Do not check the store's certificate. Anybody on the way can then read and change all."),
        .integer(
            "list-version", \.listVersion, in: 1...2,
            "ListObjectsV2, or 1 for stores that only know the older ListObjects."),
        .flag("requester-pays", \.requesterPays, "Agree to pay for requests to a requester-pays bucket."),
        .text(
            "storage-class", "CLASS", \.storageClass, standard: "the bucket's",
            "The storage class of new objects, such as STANDARD_IA. Objects that are changed keep theirs."
        ) { text in
            text.utf8.allSatisfy { (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
                ? nil : "a class such as STANDARD_IA expected, in capitals"
        },
        .text(
            "acl", "ACL", \.fine.acl, standard: "the bucket's",
            "A canned access control list for all that is stored, such as bucket-owner-full-control."
        ) { CannedACL.known.contains($0) ? nil : "\(CannedACL.known.joined(separator: ", ")) expected" },
        OptionSpec(
            name: "sse", placeholder: "s3|kms|kms:KEY", standard: "the bucket's",
            help:
                "How the store encrypts new objects: by its own keys (SSE-S3), by the account's key of AWS KMS, or by this one."
        ) { options, text throws(OptionSpec.Rejection) in
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            switch (parts[0], parts.count == 2 ? String(parts[1]) : nil) {
            case ("s3", nil): options.fine.serverSideEncryption = "AES256"
            case ("kms", let key) where key != "":
                options.fine.serverSideEncryption = "aws:kms"
                options.fine.kmsKeyID = key
            default: throw OptionSpec.Rejection(reason: "s3, kms or kms:KEY expected, not \"\(text)\"")
            }
        },
        OptionSpec(
            name: "sse-c-key-file", placeholder: "FILE", standard: "none",
            help:
                "Encrypt new objects by a key of one's own (SSE-C): the first of this file, one in base64 a line, mode 0600; the others "
                + "are for what was stored earlier. Over https only."
        ) { options, text throws(OptionSpec.Rejection) in
            guard !text.isEmpty else { throw OptionSpec.Rejection(reason: "a value is missing") }
            options.fine.customerKeyFile = text
            options.fine.encryptsByCustomerKey = true
        },
        .flag(
            "sse-c-over-http", \.fine.sendsCustomerKeysInClear,
            "Send the keys of sse-c-key-file over http too: anybody on the way can read them. AWS refuses that."),
        .choice(
            "object-acls", \.objectACLs,
            "Whether an object keeps its access control list when its attributes or its name change: one request more each "
                + "time, but for buckets whose owner owns all objects."),
        .choice(
            "probe", \.probe,
            "Find out once by small objects below .pail/probe/ which conditions the store honours, and remember it for 7 days "
                + "(auto), or take it for as good as AWS S3 (never)."),
    ]

    private static let credentials: [OptionSpec] = [
        .text(
            "profile", "NAME", \.profile, standard: "AWS_PROFILE, or default",
            "The profile in AWS's shared files to take keys and settings from; it counts before keys in the environment."
        ),
        .text(
            "passwd-file", "FILE", \.passwdFile, standard: "none",
            "A file in s3fs's format, with KEY:SECRET or BUCKET:KEY:SECRET a line, mode 0600; no other place is looked at."
        ),
        .flag("anonymous", \.isAnonymous, "Do not sign requests: for public buckets."),
        .choice(
            "instance-metadata", \.instanceMetadata,
            "How EC2's metadata service may be asked for a role's keys where no other place has any: with a token (v2), without "
                + "one too (v1), or not at all."),
    ]

    private static let transfers: [OptionSpec] = [
        .integer("max-connections", \.maxConnections, in: 1...1024, "Connections to the store at once."),
        .duration(
            "connect-timeout", \.connectTimeout, in: .milliseconds(100)...(.seconds(300)),
            "Time to connect, TLS included."),
        .duration(
            "request-deadline", \.requestDeadline, in: .seconds(1)...(.seconds(3600)),
            "Time for a request with all its retries; after it the operation fails, or waits on: see on-outage."),
        .choice(
            "on-outage", \.onOutage,
            "What operations do that find no store within the request deadline: fail with an error, or wait until it is back. "
                + "Programs that wait can be interrupted."),
        .choice(
            "on-conflict", \.onConflict,
            "What becomes of a change of a part of a file that somebody else has changed since it was opened: keep both versions and fail with ESTALE, or "
                + "overwrite: lay it over the other's."),
        .size(
            "part-size", \.partSize, in: (5 << 20)...(5 << 30),
            "Objects of this size or more are uploaded in parts; it grows by itself for objects of over 10,000 parts."),
        .choice(
            "checksum", \.checksum, "The checksum that the store verifies uploads by."),
        .flag(
            "sign-payload", \.signsPayload, "Sign what is uploaded too (SHA-256): slower, and some stores ask for it."),
    ]

    private static let fileSystem: [OptionSpec] = [
        .size(
            "memory", \.memory, in: MemoryDefault.least...(1 << 40),
            standard: "256MiB, or a quarter of the control group's limit if that is less",
            "The limit for what is held in memory: read windows, data to be uploaded, and for at most half of it names and "
                + "attributes."),
        .integer(
            "max-inodes", \.maximumInodes, in: 0...1_000_000_000,
            "The most files known at once; beyond it the kernel is asked to forget those that were not used of late. 0: as many "
                + "as their part of the memory holds."),
        .size(
            "min-free", \.minimumFreeDisk, in: 0...(1 << 50),
            "Keep no copies of what is in the bucket on a disk with less than this free."),
        .size(
            "disk-cache", \.diskCache, in: 0...(1 << 50),
            "Keep so much of what was read on the state directory's disk, for this mount and the next ones. 0: nothing."
        ),
        .size(
            "spill-limit", \.spillLimit, in: (1 << 20)...(1 << 50), standard: "as much as there is",
            "The most that data to be uploaded may take of the state directory's disk."),
        .duration(
            "attribute-timeout", \.attributeTimeout, in: .zero...(.seconds(3600)),
            "How long another host's changes may go unseen."),
        .choice(
            "attributes", \.attributes,
            "Where a file's attributes come from: what is stored with its object, at a request for each file (stored), or the listing "
                + "alone, for data that nobody chmods: size, time, default mode and owner, links as files (listing)."),
        .size(
            "attribute-cache", \.attributeCache, in: 0...(1 << 40),
            "Keep so much of the stored attributes on the state directory's disk, so that the next mount needs listings alone. 0: none."
        ),
        .choice(
            "read-ahead-files", \.readAheadFiles,
            "Fetch small files whole, before they are opened, for programs that read one after the other in listing order."
        ),
        .choice(
            "hedged-reads", \.hedgedReads,
            "Ask once more for what the store is late with, and take the answer that comes first; at most one read in 20."
        ),
        .choice(
            "late-claims", \.lateClaims,
            "Let cp, mv, install, tar, cpio, rsync and unzip make a new file by one request: their O_EXCL is kept by the upload, at close. "
                + "Other programs' O_EXCL, such as lock files, always holds from open on."
        ),
        .choice(
            "walk-ahead", \.walkAhead,
            "List directories and fetch attributes before a program asks that walks through a tree in listing order, such as find, du or tar."
        ),
        .integer(
            "list-streams", \.listStreams, in: 1...Int64(FileSystemOptions.mostListStreams),
            "Requests at once that list one large directory; 1 asks for one page behind the other."),
        .text(
            "state-dir", "DIR", \.stateDirectory,
            standard: "/var/lib/pail, for a user $XDG_STATE_HOME/pail or ~/.local/state/pail",
            "Where all that a mount keeps on this machine lies."),
        .flag(
            "write-back", \.isWriteBack,
            "Let close and fsync return once data are safe on this machine's disk; they are uploaded at once, in the background."
        ),
        .choice("fsync", \.fsync, "With --write-back: whether fsync waits for this machine's disk or for the bucket."),
        .size(
            "journal-size", \.journalSize, in: 0...(1 << 50),
            "With --write-back: what may wait on this machine to be uploaded; beyond it, changes wait for the bucket."),
        .flag("read-only", short: "r", \.isReadOnly, "Refuse all changes.").with(aliases: ["ro"]),
        .identity("uid", \.uid, "Show this user as every file's owner."),
        .identity("gid", \.gid, "Show this group as every file's group."),
        .permissions("umask", \.umask, upTo: 0o777, "Take these permissions off every file and directory shown."),
        .permissions("file-mode", \.fileMode, upTo: 0o7777, "Permissions of files whose object tells none."),
        .permissions("dir-mode", \.directoryMode, upTo: 0o7777, "Permissions of directories whose object tells none."),
    ]

    private static let process: [OptionSpec] = [
        .flag("foreground", short: "f", \.isForeground, "Stay in the foreground and log to standard error."),
        .duration(
            "drain-timeout", \.drainTimeout, in: .zero...(.seconds(86400)),
            "At the end of the mount, how long to wait for uploads; 0 waits without limit."),
        .integer(
            "threads", \.threads, in: 1...64, standard: "as many as processors, 2 to 8",
            "Threads that take the kernel's requests."),
        .choice(
            "log-level", \.logLevel, "The least that is logged."),
        .text(
            "log-file", "FILE", \.logFile, standard: "standard error, in the background syslog",
            "Append the log to this file."),
        .choice("log-format", \.logFormat, "How a line of the log looks."),
        .text(
            "metrics", "ADDR", \.metrics, standard: "none",
            "Serve metrics for Prometheus over HTTP: a port of this machine's own (9464), HOST:PORT, or the path of a Unix socket."
        ) { MetricsAddress($0) == nil ? "a port, HOST:PORT or an absolute path expected" : nil },
        .text(
            "metrics-file", "FILE", \.metricsFile, standard: "none",
            "Write the metrics to this file every 15 s, for the textfile collector of Prometheus' node exporter: DIR/NAME.prom."
        ),
        .text(
            "request-log", "FILE", \.requestLog, standard: "none",
            "Append a line of JSON for each request to the store to this file."),
    ]

    /// What mount(8) and libfuse call their own.
    static let kernelOptions: [OptionSpec] =
        [
            .flag(
                "allow_other", \.allowsOther,
                "Let all users in, not only the one who mounts; needs user_allow_other in /etc/fuse.conf for a user."
            )
            .with(mountWord: true),
            .flag("allow_root", \.allowsRoot, "Let root in besides the user who mounts.").with(mountWord: true),
            .always("default_permissions", "The kernel checks permissions by mode and owner: always so."),
            .flag("nonempty", \.allowsNonempty, "Mount over a directory that holds files; they are hidden meanwhile.")
                .with(
                    mountWord: true),
            .flag("rw", short: "w", \.isReadOnly, to: false, "Allow changes: the default.").with(mountWord: true),
            .text("fsname", "NAME", \.fsName, standard: "the source", "The source that mount(8) shows.").with(
                mountWord: true),
            OptionSpec(
                name: "subtype", placeholder: "NAME", standard: "pail",
                help: "The type that mount(8) shows, behind \"fuse.\".",
                isMountWord: true
            ) { options, text throws(OptionSpec.Rejection) in
                let isWord =
                    !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x2C && $0 != 0x5C }
                guard isWord else { throw OptionSpec.Rejection(reason: "a word expected") }
                options.subtype = text
            },
            .kernel("nosuid", "Ignore set-user-id bits: the default."),
            .kernel("suid", "Honour set-user-id bits; root only."),
            .kernel("nodev", "Ignore device files: the default."),
            .kernel("dev", "Honour device files; root only."),
            .kernel("noexec", "Let no program be run from the mount."),
            .kernel("exec", "Let programs be run: the default."),
            .kernel("noatime", "Do not update access times."),
            .kernel("nodiratime", "Do not update access times of directories."),
            .kernel("sync", "Write synchronously: each write(2) is followed by an fsync(2); slow."),
            .kernel("dirsync", "Change directories synchronously: always so."),
        ]
        + [
            "atime", "diratime", "relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime",
            "async",
        ].map {
            .always($0, "Accepted, and without effect.")
        }
}
