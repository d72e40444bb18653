import Glibc
import Logging
import ObjectStore
import S3

/// The program under s3fs's name.
enum S3FSCommand {
    /// Runs it.
    /// - Parameter pipe: where to report, in the background part.
    static func run(_ invocation: S3FSInvocation, reportingTo pipe: StatusPipe?) async throws(CommandError) {
        switch try S3FSArguments(parsing: invocation.arguments) {
        case .help: print(S3FSHelp.text())
        case .version: print(S3FSHelp.version)
        case .listUploads(let settings, let source):
            tell(settings.notices)
            try await UnfinishedUploads(settings, source: source).list()
        case .abortUploads(let settings, let source, let age, let isConfirmed):
            tell(settings.notices)
            try await UnfinishedUploads(settings, source: source).abort(olderThan: age, isConfirmed: isConfirmed)
        case .mount(let settings, let source, let mountPoint):
            // The background part has nobody to tell.
            if pipe == nil { tell(settings.notices) }
            let directory = try ProcessState.currentDirectory()
            let given = ProcessState.environment()
            let request = try Self.request(settings, source: source, mountPoint: mountPoint, directory, given)
            if invocation.isRehearsal { return }
            if pipe == nil, !request.options.isForeground {
                try BackgroundMount.start(
                    words: [S3FSInvocation.name, "-f"] + invocation.arguments, environment: given,
                    logFile: request.options.logFile)
            } else {
                try await MountCommand.serve(
                    request, directory, try settings.environment(from: given), reportingTo: pipe)
            }
        }
    }

    /// Whether this process will serve a mount itself.
    static func servesHere(_ invocation: S3FSInvocation) -> Bool {
        guard case .mount(let settings, _, _)? = try? S3FSArguments(parsing: invocation.arguments) else { return false }
        return settings.options.isForeground
    }

    /// The request with absolute paths, and with what stands in the environment and in files.
    static func request(
        _ settings: S3FSSettings, source: String, mountPoint: String, _ directory: String,
        _ environment: [String: String]
    ) throws(CommandError) -> MountRequest {
        var settings = settings
        if settings.options.logFile == nil, let path = environment["S3FS_LOGFILE"], !path.isEmpty {
            settings.options.logFile = path
        }
        if environment["S3FS_MSGTIMESTAMP"]?.lowercased() == "no" { settings.options.fine.logsTime = false }
        if settings.options.fine.serverSideEncryption == "aws:kms", settings.options.fine.kmsKeyID == nil,
            let id = environment["AWSSSEKMSID"], !id.isEmpty
        {
            settings.options.fine.kmsKeyID = id
        }
        if let text = environment["AWSSSECKEYS"], !text.isEmpty {
            // s3fs: the keys stand behind one another with colons between.
            settings.options.fine.customerKeys = try CustomerKeyFile.parse(
                text.replacing(":", with: "\n")
            ) { CommandError(.configuration, "the environment's AWSSSECKEYS: key \($0) is no 32 bytes in base64") }
        }
        let fine = settings.options.fine
        if fine.encryptsByCustomerKey, fine.customerKeyFile == nil, fine.customerKeys.isEmpty {
            throw CommandError(
                .usage, "option \"-o use_sse=custom\": no key; name a file, by load_sse_c too, or set AWSSSECKEYS")
        }
        if settings.options.fine.transport.clientCertificate?.password == nil {
            settings.options.fine.transport.clientCertificate?.password = environment["S3FS_SSL_PRIVKEY_PASSWORD"]
        }
        // Where a user without a home would find no place, as s3fs does: below /tmp.
        if settings.temporaryDirectory == nil, geteuid() != 0, environment["XDG_STATE_HOME"] == nil,
            environment["HOME"]?.utf8.first != UInt8(ascii: "/")
        {
            settings.temporaryDirectory = "/tmp"
        }
        return try settings.request(source: source, mountPoint: mountPoint, user: geteuid())
            .absolute(in: directory)
    }

    private static func tell(_ notices: [String]) {
        for notice in notices { LogSink.descriptor(2).write(S3FSMessage.line(notice), level: .notice) }
    }
}
