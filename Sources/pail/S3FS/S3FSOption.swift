/// One option of s3fs's command line: how it is written, what becomes of it under Pail, what it sets.
///
/// Parsing, the notices, `s3fs --help` and the table in Documentation/S3FS.md all come from this one declaration.
struct S3FSOption: Sendable {
    /// What becomes of an option.
    enum Effect: Sendable, Equatable {
        /// It does what it does in s3fs.
        case honoured
        /// An option of `pail mount` does the same: `--part-size`.
        case mapped(to: String)
        /// It is taken and has no effect; the text says why, and is printed as a notice when it is given.
        case withoutEffect(because: String)
        /// It ends the command, because to go on without it would do what the person did not ask for.
        case refused(because: String)
    }

    /// Whether a value follows the name.
    enum Value: Sendable, Equatable {
        case none
        case required(String)
        case optional(String)
    }

    /// Sets what the option asks for; the value is nil where none was given.
    typealias Setter = @Sendable (inout S3FSSettings, String?) throws(OptionSpec.Rejection) -> Void

    /// The name, and others for the same.
    var names: [String]
    /// Its value.
    var value: Value
    /// What becomes of it.
    var effect: Effect
    /// One sentence for the documentation: how it is done, what differs.
    var note: String
    /// Checks a value and sets it.
    var apply: Setter

    init(
        _ name: String, also aliases: [String] = [], value: Value = .none, _ effect: Effect, _ note: String = "",
        apply: @escaping Setter = { _, _ in }
    ) {
        names = [name] + aliases
        self.value = value
        self.effect = effect
        self.note = note
        self.apply = apply
    }

    /// As a person writes it: `url=URL`, `use_xattr[=0|1]`.
    var usage: String {
        switch value {
        case .none: names[0]
        case .required(let placeholder): "\(names[0])=\(placeholder)"
        case .optional(let placeholder): "\(names[0])[=\(placeholder)]"
        }
    }
}

extension S3FSOption {
    /// An option without effect.
    static func idle(
        _ name: String, also aliases: [String] = [], value: Value = .none, because reason: String
    ) -> S3FSOption {
        S3FSOption(name, also: aliases, value: value, .withoutEffect(because: reason))
    }

    /// An option that sets one of Pail's to its own value, and is read as that one is.
    /// - Parameters:
    ///   - target: the name in ``MountOptionTable``.
    ///   - text: turns s3fs's text into Pail's.
    static func mapped(
        _ name: String, also aliases: [String] = [], value: Value = .none, to target: String, _ note: String = "",
        text: @escaping @Sendable (String) throws(OptionSpec.Rejection) -> String = { $0 }
    ) -> S3FSOption {
        guard let spec = MountOptionTable.byName[OptionSpec.canonical(target)] else {
            preconditionFailure("no option \(target)")
        }
        return S3FSOption(name, also: aliases, value: value, .mapped(to: spec.spelling), note) {
            settings, given throws(OptionSpec.Rejection) in
            try spec.apply(&settings.options, try text(given ?? ""))
        }
    }
}

/// Values as s3fs's options take them.
enum S3FSValue {
    /// A whole number.
    static func integer(_ text: String?, in range: ClosedRange<Int64>) throws(OptionSpec.Rejection) -> Int64 {
        guard let text, let value = Int64(text) else {
            throw OptionSpec.Rejection(reason: "a whole number expected, not \"\(text ?? "")\"")
        }
        guard range.contains(value) else {
            throw OptionSpec.Rejection(
                reason: "\(value) is out of range: \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// Permission bits in octal.
    static func permissions(_ text: String?) throws(OptionSpec.Rejection) -> UInt32 {
        guard let text, let first = text.utf8.first, (0x30...0x37).contains(first),
            let value = UInt32(text, radix: 8), value <= 0o777
        else { throw OptionSpec.Rejection(reason: "permissions in octal, 0 to 0777, expected, not \"\(text ?? "")\"") }
        return value
    }

    /// `1` or `0`; an option without a value means yes.
    static func isOn(_ text: String?) throws(OptionSpec.Rejection) -> Bool {
        switch text {
        case nil, "1": return true
        case "0": return false
        case let other?: throw OptionSpec.Rejection(reason: "0 or 1 expected, not \"\(other)\"")
        }
    }

    /// A number of seconds, as a text for Pail's options; more than an hour is an hour.
    static func seconds(_ text: String, atLeast least: Int64 = 1) throws(OptionSpec.Rejection) -> Int64 {
        min(max(try integer(text, in: 0...Int64(Int32.max)), least), 3600)
    }
}
