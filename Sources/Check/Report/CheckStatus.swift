/// The exit status of a check, as fsck(8) has it: a sum of these.
public struct CheckStatus: OptionSet, Sendable, Hashable {
    /// The number for exit(3).
    public let rawValue: Int32
    /// A status of the given number.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// Something was mended.
    public static let corrected = CheckStatus(rawValue: 1)
    /// A problem or damage is left.
    public static let uncorrected = CheckStatus(rawValue: 4)
    /// Something could not be checked: the store failed or refused.
    public static let operationalError = CheckStatus(rawValue: 8)
    /// The call was wrong.
    public static let usage = CheckStatus(rawValue: 16)
    /// The check was ended by a signal, by its limit of requests, or by the person who was asked.
    public static let cancelled = CheckStatus(rawValue: 32)
}
