/// A configuration file, a credentials file or an environment variable that cannot be used.
///
/// Its text is one line for a person and never holds what the file holds: a line that does not parse may be a secret.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file's path; nil where no file is to blame.
    public var file: String?
    /// The line in it, from 1 on; nil where the file as a whole is to blame.
    public var line: Int?
    /// What is wrong, and what to do.
    public var message: String

    /// An error of the given parts.
    public init(file: String? = nil, line: Int? = nil, _ message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    /// `/home/a/.aws/config:12: "=" expected`
    public var description: String {
        switch (file, line) {
        case (let file?, let line?): "\(file):\(line): \(message)"
        case (let file?, nil): "\(file): \(message)"
        case (nil, _): message
        }
    }
}
