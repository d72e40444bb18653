import Logging
import ObjectStore
import S3

/// A line of JSON for each request to the store, appended to a file; SIGHUP opens it anew.
///
/// It holds keys, but nothing secret: no header, no signature, no content. A line is one write(2), on the request's own task. Lines
/// that cannot be written (a full disk) are lost: no request waits or fails for them.
struct RequestLog: Sendable {
    private let path: String
    private let sink: LogSink

    /// Opens the file, made with mode 0640.
    init(_ path: String) throws(CommandError) {
        self.path = path
        sink = try .file(path)
    }

    /// Writes a request down.
    func write(_ record: RequestRecord) { sink.write(Self.line(record, at: LineLogHandler.now()), level: .info) }

    /// Opens the file anew. Returns why that cannot be; the old one stays then.
    func reopen() -> String? { sink.reopen(path) }

    /// The line, without its end.
    static func line(_ record: RequestRecord, at time: String) -> String {
        var members: [(String, String)] = [
            ("time", JSONText.quoted(time)), ("operation", JSONText.quoted(record.operation)),
            ("method", JSONText.quoted(record.method)),
        ]
        if let key = record.key { members.append(("key", JSONText.quoted(key.string))) }
        members += [
            ("status", record.status.map(String.init) ?? "null"), ("received", "\(record.bytesReceived)"),
            ("sent", "\(record.bytesSent)"), ("seconds", seconds(record.nanoseconds)), ("attempt", "\(record.attempt)"),
            ("sends", "\(record.timesSent)"),
        ]
        if let id = record.requestID { members.append(("request_id", JSONText.quoted(id))) }
        if let failure = record.failure { members.append(("failure", JSONText.quoted(failure))) }
        return "{" + members.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }

    /// To the microsecond, without an exponent.
    private static func seconds(_ nanoseconds: UInt64) -> String {
        let micro = String(nanoseconds / 1000 % 1_000_000)
        return "\(nanoseconds / 1_000_000_000)." + String(repeating: "0", count: 6 - micro.utf8.count) + micro
    }
}
