/// Puts the messages of Pail's own command line into the words of s3fs's: its options, its name, its exit status.
enum S3FSMessage {
    /// Pail's options that messages name, and what a user of s3fs's command line has in their place. Longer ones first.
    private static let words: [(pail: String, s3fs: String)] = [
        ("--endpoint-url", "-o url"), ("--list-version 1", "leaving out -o listobjectsv2"),
        ("--request-deadline and --connect-timeout", "-o readwrite_timeout and -o connect_timeout"),
        ("--no-verify-tls", "-o no_check_certificate"), ("--passwd-file", "-o passwd_file"),
        ("--ca-bundle", "CURL_CA_BUNDLE"), ("--addressing", "-o use_path_request_style"), ("--region", "-o region"),
        ("--anonymous", "-o public_bucket=1"), ("--profile", "-o profile"), ("--state-dir", "-o tmpdir"),
        ("pail mount --help", "s3fs --help"), ("pail mount s3://BUCKET[/PREFIX]", "s3fs BUCKET[:/PATH]"),
    ]

    /// The text for a person.
    static func text(_ message: String) -> String {
        words.reduce(message) { text, word in text.replacing(word.pail, with: word.s3fs) }
    }

    /// As printed: `s3fs: …`, one line.
    static func line(_ message: String) -> String { "\(S3FSInvocation.name): \(Printable.line(text(message)))" }

    /// The error as the command ends with it. s3fs knows one status for all failures: 1.
    static func error(_ error: CommandError) -> CommandError { CommandError(.failure, text(error.message)) }
}
