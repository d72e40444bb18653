import Glibc
import Logging

/// Writes each message as one line: `2026-11-21T03:44:00.123Z warning message key=value`, or as JSON.
///
/// Text from stores and names is made printable first, so that it cannot forge a line. Secrets never come this far: no type
/// that holds one prints it.
struct LineLogHandler: LogHandler {
    private let sink: LogSink
    private let format: MountOptions.LogFormat
    private let addsTime: Bool
    private let control: LogControl?
    private var ownLevel: Logger.Level
    /// The least that is logged: the control's where there is one, for all copies of the handler.
    var logLevel: Logger.Level {
        get { control?.level ?? ownLevel }
        set { ownLevel = newValue }
    }
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(sink: LogSink, format: MountOptions.LogFormat, level: Logger.Level) {
        self.sink = sink
        self.format = format
        addsTime = true
        control = nil
        ownLevel = level
    }

    /// A handler whose level is the control's, at every moment.
    init(sink: LogSink, format: MountOptions.LogFormat, control: LogControl, addsTime: Bool) {
        self.sink = sink
        self.format = format
        self.addsTime = addsTime
        self.control = control
        ownLevel = control.level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let given = event.metadata { all.merge(given) { _, new in new } }
        if let error = event.error { all["error"] = "\(error)" }
        let fields = all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let time = sink.addsTime || !addsTime ? nil : Self.now()
        let line =
            switch format {
            case .text: Self.text(time, event.level, "\(event.message)", fields)
            case .json: Self.json(time, event.level, "\(event.message)", fields)
            }
        sink.write(line, level: event.level)
    }

    static func text(_ time: String?, _ level: Logger.Level, _ message: String, _ fields: [(String, String)]) -> String
    {
        var line = time.map { $0 + " " } ?? ""
        line += "\(level.rawValue) \(Printable.line(message))"
        for (key, value) in fields {
            let printable = Printable.line(value)
            let isPlain = !printable.isEmpty && !printable.contains { $0 == " " || $0 == "\"" || $0 == "=" }
            line += " \(key)=" + (isPlain ? printable : JSONText.quoted(value))
        }
        return line
    }

    static func json(_ time: String?, _ level: Logger.Level, _ message: String, _ fields: [(String, String)]) -> String
    {
        var members: [(String, String)] = []
        if let time { members.append(("time", time)) }
        members += [("level", level.rawValue), ("message", message)] + fields
        return "{" + members.map { JSONText.quoted($0.0) + ":" + JSONText.quoted($0.1) }.joined(separator: ",") + "}"
    }

    /// The time of day in UTC, to the millisecond.
    static func now() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var parts = tm()
        gmtime_r(&time.tv_sec, &parts)
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let day =
            "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(Int(parts.tm_mon) + 1, 2))-\(digits(Int(parts.tm_mday), 2))"
        let clock = "\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):\(digits(Int(parts.tm_sec), 2))"
        return "\(day)T\(clock).\(digits(time.tv_nsec / 1_000_000, 3))Z"
    }
}

/// Strings as JSON writes them (RFC 8259, section 7).
enum JSONText {
    /// `text` in quotes, with all escaped that must be, and the control characters that need not.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
