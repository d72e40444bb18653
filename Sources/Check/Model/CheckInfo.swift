/// How bad a finding is.
public enum Severity: String, Sendable, Codable, Comparable, CaseIterable {
    /// Worth knowing; nothing is wrong. Notes leave the exit status as it is.
    case note
    /// A mount cannot show something, shows it wrong, or something takes room for nothing.
    case problem
    /// Data cannot be read, or is not what was stored.
    case damage

    private var rank: Int {
        switch self {
        case .note: 0
        case .problem: 1
        case .damage: 2
        }
    }

    /// Notes first.
    public static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
}

/// Who may mend it.
public enum RepairClass: String, Sendable, Codable {
    /// `-p` and `-a` do it: it can take nothing from anybody.
    case preen
    /// `-y` does it: it changes what somebody may have meant.
    case asked
    /// Nobody but a person: it would be a choice between contents, or there is nothing to do.
    case never
}

/// The group of a check.
public enum CheckGroup: String, Sendable, Codable, CaseIterable {
    /// What the store allows and honours.
    case store
    /// Keys.
    case namespace
    /// What objects carry beside their content.
    case metadata
    /// What was begun and not ended.
    case inFlight = "in-flight"
    /// What this machine remembers.
    case localState = "local-state"
    /// Contents.
    case data
}

/// What a check is, in words. Each check has one, in the file that does the checking.
public struct CheckInfo: Sendable, Hashable {
    /// Its name, as in the output and in `CHECK.md`: `marker-with-body`.
    public let name: String
    /// Its group.
    public let group: CheckGroup
    /// How bad its findings are.
    public let severity: Severity
    /// Who may mend them.
    public let repair: RepairClass
    /// What was found, of one and of several: behind a number.
    public let title: (one: String, many: String)
    /// What it means for the person, and where it comes from: one to three sentences.
    public let explanation: String
    /// What mending does, or what a person can do: one or two sentences.
    public let mending: String

    init(
        _ name: String, _ group: CheckGroup, _ severity: Severity, _ repair: RepairClass, one: String, many: String,
        explanation: String, mending: String
    ) {
        self.name = name
        self.group = group
        self.severity = severity
        self.repair = repair
        title = (one, many)
        self.explanation = explanation
        self.mending = mending
    }

    /// A check is its name.
    public static func == (a: CheckInfo, b: CheckInfo) -> Bool { a.name == b.name }

    /// Hashes the name.
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}
