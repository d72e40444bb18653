/// One option, declared once: how it is written, what it takes, what it sets. Parsing, range checks, help and documentation
/// all come from this.
struct OptionSpec: Sendable {
    /// A value that the option does not take; the parser adds which option it was.
    struct Rejection: Error, Equatable {
        var reason: String
    }

    typealias Field<Value> = any WritableKeyPath<MountOptions, Value> & Sendable

    /// The name: `part-size` for `--part-size` and `-o part_size`; `allow_other` for `-o allow_other`.
    var name: String
    /// A second, short spelling: `f` for `-f`.
    var short: Character?
    /// Other names for the same.
    var aliases: [String] = []
    /// What stands for the value in the help; nil for a flag.
    var placeholder: String?
    /// Values that may be given: `5MiB to 5GiB`; nil where the placeholder says it all.
    var accepted: String?
    /// The default; nil where there is none or the help tells.
    var standard: String?
    /// One or two sentences.
    var help: String
    /// Whether the help shows it as `-o name`, because mount(8) and FUSE call it so.
    var isMountWord = false
    /// Whether it sets nothing, because what it asks for is so anyway.
    var isAlways = false
    /// Checks a value (empty for a flag) and sets it.
    var apply: @Sendable (inout MountOptions, String) throws(Rejection) -> Void

    /// The name by which options are compared: dashes and underscores are the same.
    static func canonical(_ name: some StringProtocol) -> String {
        String(decoding: name.utf8.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }, as: UTF8.self)
    }

    /// All canonical names.
    var names: [String] { ([name] + aliases).map(Self.canonical) }

    /// As a person would type it: `--part-size`, `-o allow_other`.
    var spelling: String { isMountWord ? "-o \(name)" : "--\(name)" }

    /// With its value's placeholder: `--part-size SIZE`.
    var usage: String {
        guard let placeholder else { return spelling }
        return isMountWord ? "\(spelling)=\(placeholder)" : "\(spelling) \(placeholder)"
    }
}

extension OptionSpec {
    /// A flag.
    static func flag(
        _ name: String, short: Character? = nil, _ field: Field<Bool>, to value: Bool = true, _ help: String
    )
        -> OptionSpec
    {
        OptionSpec(name: name, short: short, help: help) { options, _ in options[keyPath: field] = value }
    }

    /// A flag that mount(8) hands on to the kernel.
    static func kernel(_ name: String, _ help: String) -> OptionSpec {
        OptionSpec(name: name, help: help, isMountWord: true) { options, _ in options.kernelFlags.append(name) }
    }

    /// A size in bytes.
    static func size(_ name: String, _ field: Field<Int64>, in range: ClosedRange<Int64>, _ help: String) -> OptionSpec
    {
        size(name, in: range, standard: ByteSize.format(MountOptions()[keyPath: field]), help) {
            $0[keyPath: field] = $1
        }
    }

    /// A size in bytes whose default somebody else works out.
    static func size(
        _ name: String, _ field: Field<Int64?>, in range: ClosedRange<Int64>, standard: String, _ help: String
    ) -> OptionSpec {
        size(name, in: range, standard: standard, help) { $0[keyPath: field] = $1 }
    }

    private static func size(
        _ name: String, in range: ClosedRange<Int64>, standard: String, _ help: String,
        set: @escaping @Sendable (inout MountOptions, Int64) -> Void
    ) -> OptionSpec {
        let accepted = "\(ByteSize.format(range.lowerBound)) to \(ByteSize.format(range.upperBound))"
        return OptionSpec(
            name: name, placeholder: "SIZE", accepted: accepted, standard: standard, help: help
        ) { options, text throws(Rejection) in
            guard let bytes = ByteSize.parse(text) else {
                throw Rejection(reason: "a size such as 64MiB or 1G expected, not \"\(text)\"")
            }
            guard range.contains(bytes) else { throw Rejection(reason: "\(text) is out of range: \(accepted)") }
            set(&options, bytes)
        }
    }

    /// A length of time.
    static func duration(_ name: String, _ field: Field<Duration>, in range: ClosedRange<Duration>, _ help: String)
        -> OptionSpec
    {
        let accepted = "\(DurationText.format(range.lowerBound)) to \(DurationText.format(range.upperBound))"
        return OptionSpec(
            name: name, placeholder: "TIME", accepted: accepted,
            standard: DurationText.format(MountOptions()[keyPath: field]), help: help
        ) { options, text throws(Rejection) in
            guard let time = DurationText.parse(text) else {
                throw Rejection(reason: "a time such as 1s, 500ms or 2m expected, not \"\(text)\"")
            }
            guard range.contains(time) else { throw Rejection(reason: "\(text) is out of range: \(accepted)") }
            options[keyPath: field] = time
        }
    }

    /// A whole number.
    static func integer(_ name: String, _ field: Field<Int64>, in range: ClosedRange<Int64>, _ help: String)
        -> OptionSpec
    {
        OptionSpec(
            name: name, placeholder: "N", accepted: "\(range.lowerBound) to \(range.upperBound)",
            standard: "\(MountOptions()[keyPath: field])", help: help
        ) { options, text throws(Rejection) in
            options[keyPath: field] = try number(text, radix: 10, in: range, as: "a whole number")
        }
    }

    /// A whole number whose default somebody else works out.
    static func integer(
        _ name: String, _ field: Field<Int64?>, in range: ClosedRange<Int64>, standard: String?,
        placeholder: String = "N", _ help: String
    ) -> OptionSpec {
        OptionSpec(
            name: name, placeholder: placeholder, accepted: "\(range.lowerBound) to \(range.upperBound)",
            standard: standard,
            help: help
        ) { options, text throws(Rejection) in
            options[keyPath: field] = try number(text, radix: 10, in: range, as: "a whole number")
        }
    }

    /// A user's or group's number, as mount(8) writes it. 4294967295 is `(uid_t)-1`, which chown(2) takes for "leave it".
    static func identity(_ name: String, _ field: Field<Int64?>, _ help: String) -> OptionSpec {
        integer(name, field, in: 0...4_294_967_294, standard: nil, placeholder: "ID", help)
    }

    /// A word of fstab that asks for what is so anyway.
    static func always(_ name: String, _ help: String) -> OptionSpec {
        OptionSpec(name: name, help: help, isMountWord: true, isAlways: true) { _, _ in }
    }

    /// Permission bits in octal.
    static func permissions(_ name: String, _ field: Field<Int64?>, upTo limit: Int64, _ help: String) -> OptionSpec {
        OptionSpec(
            name: name, placeholder: "MODE", accepted: "octal, 0 to \(String(limit, radix: 8))", help: help
        ) { options, text throws(Rejection) in
            options[keyPath: field] = try number(text, radix: 8, in: 0...limit, as: "an octal mode such as 0640")
        }
    }

    /// One of a few words.
    static func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ name: String, _ field: Field<Choice>, _ help: String
    ) -> OptionSpec where Choice.RawValue == String {
        choice(name, standard: MountOptions()[keyPath: field].rawValue, help) { options, choice in
            options[keyPath: field] = choice
        }
    }

    /// One of a few words, and by default none.
    static func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ name: String, standard: String, _ help: String,
        set: @escaping @Sendable (inout MountOptions, Choice) -> Void
    ) -> OptionSpec where Choice.RawValue == String {
        let words = Choice.allCases.map(\.rawValue)
        return OptionSpec(
            name: name, placeholder: words.joined(separator: "|"), standard: standard, help: help
        ) { options, text throws(Rejection) in
            guard let choice = Choice(rawValue: text) else {
                throw Rejection(reason: "\(words.joined(separator: ", ")) expected, not \"\(text)\"")
            }
            set(&options, choice)
        }
    }

    /// A text, checked by `objection`.
    static func text(
        _ name: String, _ placeholder: String, _ field: Field<String?>, standard: String? = nil, _ help: String,
        objection: @escaping @Sendable (String) -> String? = { _ in nil }
    ) -> OptionSpec {
        OptionSpec(name: name, placeholder: placeholder, standard: standard, help: help) {
            options, text throws(Rejection) in
            guard !text.isEmpty else { throw Rejection(reason: "a value is missing") }
            if let reason = objection(text) { throw Rejection(reason: reason) }
            options[keyPath: field] = text
        }
    }

    /// The same option with another short spelling, another way to be shown, or more names.
    func with(short: Character? = nil, mountWord: Bool? = nil, aliases: [String] = []) -> OptionSpec {
        var copy = self
        copy.short = short ?? self.short
        copy.isMountWord = mountWord ?? isMountWord
        copy.aliases += aliases
        return copy
    }

    private static func number(_ text: String, radix: Int, in range: ClosedRange<Int64>, as what: String)
        throws(Rejection) -> Int64
    {
        // Int64(_:radix:) takes a sign; a person's "+5" is a slip.
        guard let first = text.first, first.isASCII, first.isWholeNumber || first == "-", text.utf8.count <= 20,
            let value = Int64(text, radix: radix)
        else { throw Rejection(reason: "\(what) expected, not \"\(text)\"") }
        guard range.contains(value) else {
            let low = String(range.lowerBound, radix: radix)
            let high = String(range.upperBound, radix: radix)
            throw Rejection(reason: "\(text) is out of range: \(low) to \(high)")
        }
        return value
    }
}
