import Glibc
import Logging
import ObjectStore
import S3

/// `s3fs -u BUCKET` and `s3fs --incomplete-mpu-abort[=all|=AGE] BUCKET`: the multipart uploads that were begun and neither
/// completed nor aborted. Their parts take room, and cost, until they are aborted.
///
/// s3fs asks for one page of the listing and asks nobody before it aborts. Here all pages are read, and a person at a
/// terminal is asked; a script goes on, as with s3fs.
struct UnfinishedUploads: Sendable {
    private let plan: MountPlan
    private let logger: Logger

    /// Finds keys and addresses. No request is made.
    init(_ settings: S3FSSettings, source: String) throws(CommandError) {
        let directory = try ProcessState.currentDirectory()
        let given = ProcessState.environment()
        let request = try S3FSCommand.request(settings, source: source, mountPoint: "/", directory, given)
        let handler = LineLogHandler(sink: .descriptor(2), format: .text, level: request.options.logLevel)
        logger = Logger(label: S3FSInvocation.name) { _ in handler }
        plan = try MountPlan(
            request, directory: directory, environment: try settings.environment(from: given), logger: logger)
    }

    /// Prints all of them, as s3fs does. One request for each 1,000.
    func list() async throws(CommandError) {
        let uploads = try await withStore { store throws(CommandError) in try await all(in: store) }
        print("\nLists the parts that have been uploaded for a specific multipart upload.\n")
        guard !uploads.isEmpty else { return print("There is no list.") }
        print(Self.rule)
        for upload in uploads { print(Self.entry(upload) + "\n") }
        print(Self.rule)
    }

    /// Aborts those that are old enough. One request for each 1,000, and one for each that is aborted.
    /// - Throws: the first failure, after all have been tried.
    func abort(olderThan age: UploadAge, isConfirmed: Bool) async throws(CommandError) {
        try await withStore { store throws(CommandError) in
            let old = Self.chosen(from: try await all(in: store), olderThan: age, now: Self.now())
            guard !old.isEmpty else { return print("There is no list.") }
            if !isConfirmed, isatty(0) == 1 {
                for upload in old { print(Self.entry(upload) + "\n") }
                print(
                    "An upload that is under way fails when it is aborted. Abort \(old.count)? [y/N] ", terminator: "")
                fflush(nil)
                guard let answer = readLine()?.lowercased(), answer == "y" || answer == "yes" else {
                    throw CommandError(.failure, "nothing was aborted")
                }
            }
            var failure: CommandError?
            print(Self.rule)
            for upload in old {
                do throws(StoreError) {
                    try await store.abortUpload(upload)
                    print(Self.entry(upload) + "\n Aborted\n")
                } catch {
                    print(Self.entry(upload) + "\n Could not be aborted\n")
                    if failure == nil { failure = StoreFailure.commandError(for: error, in: plan.failureContext) }
                }
            }
            print(Self.rule)
            if let failure { throw failure }
        }
    }

    /// Those begun at least so long ago. One whose beginning the store does not tell counts for `all` only.
    static func chosen(from uploads: [MultipartUpload], olderThan age: UploadAge, now: Int64) -> [MultipartUpload] {
        guard age.seconds > 0 else { return uploads }
        return uploads.filter { upload in upload.initiated.map { $0.seconds <= now - age.seconds } ?? false }
    }

    /// As s3fs prints one.
    static func entry(_ upload: MultipartUpload) -> String {
        """
         Path     : /\(Printable.line(upload.key.string))
         UploadId : \(Printable.line(upload.id))
         Date     : \(upload.initiated.map(date) ?? "unknown")
        """
    }

    private static let rule = String(repeating: "-", count: 63)

    private static func now() -> Int64 { Int64(time(nil)) }

    private static func date(_ timestamp: Timestamp) -> String {
        var seconds = time_t(timestamp.seconds)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        let count = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func withStore<Value: Sendable>(
        _ work: (S3Store) async throws(CommandError) -> Value
    ) async throws(CommandError) -> Value {
        let store = S3Store(configuration: plan.storeConfiguration, credentials: plan.credentials, logger: logger)
        defer { store.shutdown() }
        return try await work(store)
    }

    private func all(in store: S3Store) async throws(CommandError) -> [MultipartUpload] {
        var result: [MultipartUpload] = []
        var after: UploadsMarker?
        do throws(StoreError) {
            while true {
                let page = try await store.listUploads(prefix: plan.request.source.prefix, after: after)
                result += page.uploads
                guard let next = page.next else { return result }
                guard next != after else {
                    throw StoreError(
                        .badResponse, operation: "ListMultipartUploads", message: "the listing does not go on")
                }
                after = next
            }
        } catch {
            throw StoreFailure.commandError(for: error, in: plan.failureContext)
        }
    }
}
