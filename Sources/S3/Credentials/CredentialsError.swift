/// Why there are no credentials to sign with.
///
/// Its text is one line for a person. It never holds an answer's body, a token, or what a program printed: those may be secrets.
public struct CredentialsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What failed, what was said, what to do.
    public var message: String
    /// Whether it may pass by itself: the service is overloaded or out of reach.
    public var isTransient: Bool
    /// Whether it was the keys that a service was asked with which are at their end or unknown.
    var refusesKeys = false

    /// An error of the given parts.
    public init(_ message: String, isTransient: Bool = false) {
        self.message = message
        self.isTransient = isTransient
    }

    /// The message.
    public var description: String { message }
}
