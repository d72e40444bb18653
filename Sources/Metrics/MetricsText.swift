/// Writes Prometheus' text format, version 0.0.4.
///
/// Each metric is begun once, with its help and type; its samples follow. Names and units are the caller's affair:
/// <https://prometheus.io/docs/practices/naming/>. See <https://prometheus.io/docs/instrumenting/exposition_formats/>.
public struct MetricsText: Sendable {
    /// A metric's type.
    public enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    /// What the text is served as.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The text so far.
    public private(set) var text = ""
    /// Labels that every sample has, before its own.
    private let common: [(String, String)]
    private var name = ""

    /// Text whose samples all have these labels.
    public init(labels: [(String, String)] = []) { common = labels }

    /// Begins a metric.
    public mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        text += "# HELP \(name) \(help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n"))\n"
        text += "# TYPE \(name) \(kind.rawValue)\n"
    }

    /// A sample of the metric begun last.
    public mutating func sample(_ value: UInt64, _ labels: [(String, String)] = []) {
        line("", labels, "\(value)")
    }

    /// A sample of the metric begun last.
    public mutating func sample(_ value: Double, _ labels: [(String, String)] = []) {
        line("", labels, Self.number(value))
    }

    /// A histogram's row as samples of the metric begun last.
    public mutating func sample(_ row: LatencyTable.Row, _ labels: [(String, String)] = []) {
        var total: UInt64 = 0
        for (place, number) in row.buckets.enumerated() {
            total += number
            let bound = place < LatencyTable.boundNames.count ? LatencyTable.boundNames[place] : "+Inf"
            line("_bucket", labels + [("le", bound)], "\(total)")
        }
        line("_sum", labels, Self.number(Double(row.nanoseconds) / 1e9))
        line("_count", labels, "\(total)")
    }

    private mutating func line(_ suffix: String, _ labels: [(String, String)], _ value: String) {
        text += name
        text += suffix
        let all = common + labels
        if !all.isEmpty {
            text += "{"
            text += all.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
            text += "}"
        }
        text += " \(value)\n"
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}
