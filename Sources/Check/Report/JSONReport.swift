internal import FoundationEssentials

/// A report for a program: one object of JSON, whose schema `CHECK.md` has. Fields are only ever added.
public enum JSONReport {
    private struct Document: Encodable {
        var schema = 1
        var source: String
        var status: Int32
        var interrupted: Bool
        var objects: Int
        var bytes: Int64
        var headersRead: Int
        var contentsRead: Int
        var requests: Int
        var seconds: Double
        var problemsLeft: Int
        var notes: Int
        var mended: Int
        var checks: [Check]
        var errors: [String]
        var remarks: [String]
    }

    private struct Check: Encodable {
        var name: String
        var group: CheckGroup
        var severity: Severity
        var repair: RepairClass
        var found: Int
        var mended: Int
        var failed: Int
        var explanation: String
        var mending: String
        var findings: [CheckReport.Example]
    }

    /// One line.
    public static func text(_ report: CheckReport, source: String, seconds: Double) -> String {
        let checks = report.ordered.map { check, kind in
            Check(
                name: check.name, group: check.group, severity: check.severity, repair: check.repair, found: kind.found,
                mended: kind.mended, failed: kind.failed, explanation: check.explanation, mending: check.mending,
                findings: kind.examples)
        }
        let problems = report.left(.problem)
        let document = Document(
            source: source, status: report.status.rawValue, interrupted: report.isInterrupted, objects: report.objects,
            bytes: report.bytes, headersRead: report.headed, contentsRead: report.verified, requests: report.requests,
            seconds: seconds, problemsLeft: problems, notes: report.left(.note) - problems, mended: report.mended,
            checks: checks, errors: report.errors, remarks: report.remarks)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and finite numbers: there is nothing that JSON could not hold.
        guard let data = try? encoder.encode(document) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }
}
