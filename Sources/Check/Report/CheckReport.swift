internal import ObjectStore

/// What a check has found so far, bounded whatever the bucket holds: counts, and the first ``exampleLimit`` findings of a kind.
public struct CheckReport: Sendable, Codable, Equatable {
    /// What became of a finding.
    public enum State: String, Sendable, Codable {
        /// It is there.
        case found
        /// It was mended.
        case mended
        /// Mending it was tried and not done.
        case failed
    }

    /// One finding.
    public struct Example: Sendable, Codable, Equatable {
        /// The object's key.
        public var key: String
        /// More about it; empty where the check's title says it all.
        public var detail: String
        /// What became of it.
        public var state: State
        /// Where its content is now, or why it was not mended.
        public var remark: String?
    }

    /// The findings of one check.
    public struct Kind: Sendable, Codable, Equatable {
        /// How many in all.
        public var found = 0
        /// Those that were mended.
        public var mended = 0
        /// Those that were tried and not mended.
        public var failed = 0
        /// The first of them.
        public var examples: [Example] = []
        /// What is still there.
        public var left: Int { found - mended }
    }

    /// The findings that are kept of a kind.
    public static let exampleLimit = 1000

    /// By the check's name.
    public internal(set) var kinds: [String: Kind] = [:]
    /// Objects listed.
    public internal(set) var objects = 0
    /// Their bytes.
    public internal(set) var bytes: Int64 = 0
    /// Objects whose headers were looked at.
    public internal(set) var headed = 0
    /// Objects that were read whole.
    public internal(set) var verified = 0
    /// Requests made.
    public internal(set) var requests = 0
    /// What could not be checked, one sentence each, the first hundred.
    public internal(set) var errors: [String] = []
    /// Whether the check ended before its end.
    public internal(set) var isInterrupted = false
    /// What is said beside the findings: what was left out, and why.
    public internal(set) var remarks: [String] = []

    mutating func add(_ finding: Finding, _ state: State = .found, remark: String? = nil) {
        var kind = kinds[finding.check.name] ?? Kind()
        kind.found += 1
        if state == .mended { kind.mended += 1 }
        if state == .failed { kind.failed += 1 }
        if kind.examples.count < Self.exampleLimit {
            kind.examples.append(
                Example(key: finding.key.string, detail: finding.detail, state: state, remark: remark))
        }
        kinds[finding.check.name] = kind
    }

    mutating func fail(_ message: String) {
        if errors.count < 100 { errors.append(message) }
    }

    /// The kinds found, in the order of the checks.
    public var ordered: [(check: CheckInfo, kind: Kind)] {
        CheckList.all.compactMap { check in kinds[check.name].map { (check, $0) } }
    }

    /// How many are left of at least this severity.
    public func left(_ severity: Severity) -> Int {
        ordered.filter { $0.check.severity >= severity }.reduce(0) { $0 + $1.kind.left }
    }

    /// How many were mended.
    public var mended: Int { kinds.values.reduce(0) { $0 + $1.mended } }

    /// The exit status.
    public var status: CheckStatus {
        var status: CheckStatus = []
        if mended > 0 { status.insert(.corrected) }
        if left(.problem) > 0 { status.insert(.uncorrected) }
        if !errors.isEmpty { status.insert(.operationalError) }
        if isInterrupted { status.insert(.cancelled) }
        return status
    }
}
