/// The format of `~/.aws/config` and `~/.aws/credentials`: sections of properties, a property's value being text or a block
/// of nested properties.
///
/// ```
/// [profile work]
/// region = eu-central-1
/// s3 =
///   addressing_style = path
/// ```
///
/// Follows <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>, and where that leaves room, botocore: a line
/// indented deeper than the property before it belongs to it; one that is not begins a property, whatever its indentation.
/// Comments are lines that begin with `#` or `;`, and what follows white space and one of these in a value. Sections of one
/// name are one section; of two properties of one name the later counts.
///
/// The parser is a pure function of the bytes. It refuses what it does not understand, with the line's number and never
/// with the line's text.
public struct INIDocument: Sendable, Equatable {
    /// A property: `name = value`.
    public struct Property: Sendable, Equatable {
        /// The name, in lower case.
        public var name: String
        /// The value, without white space around it; the lines of a value that goes on are joined by line feeds.
        public var value: String
        /// The line of the name, from 1 on.
        public var line: Int
        /// The indented properties below a property without a value.
        public var nested: [Property] = []
    }

    /// A section: `[name]`.
    public struct Section: Sendable, Equatable {
        /// What stands between the brackets, without white space around it.
        public var name: String
        /// The line where it first begins.
        public var line: Int
        /// Its properties, in the order of the file.
        public var properties: [Property] = []

        /// The property of that name (given in lower case); the last one where there are several.
        public func property(_ name: String) -> Property? { properties.last { $0.name == name } }
    }

    /// The sections, in the order of the file.
    public private(set) var sections: [Section] = []

    /// Reads a document; `file` is for the error's text.
    public init(parsing bytes: [UInt8], file: String) throws(ConfigurationError) {
        var reader = INIReader(file: file)
        for (index, line) in TextLines(bytes).enumerated() {
            try reader.take(line, number: index + 1)
        }
        sections = reader.sections
    }

    /// The section of that name.
    public func section(_ name: String) -> Section? { sections.first { $0.name == name } }
}

/// Takes a document line by line.
private struct INIReader {
    let file: String
    var sections: [INIDocument.Section] = []
    /// Where each section is, by the bytes of its name.
    private var places: [[UInt8]: Int] = [:]
    /// The section that the next property goes to.
    private var current: Int?
    /// The indentation of the last property that is not nested; nil before a section's first.
    private var indentation: Int?

    init(file: String) { self.file = file }

    mutating func take(_ line: ArraySlice<UInt8>, number: Int) throws(ConfigurationError) {
        let depth = line.prefix { $0.isBlank }.count
        let content = line.trimmingBlanks()
        guard let first = content.first, first != UInt8(ascii: "#"), first != UInt8(ascii: ";") else { return }
        guard !content.contains(0), let text = String(validating: content, as: UTF8.self) else {
            throw ConfigurationError(file: file, line: number, "this line is not UTF-8 text")
        }
        if let indentation, let current, depth > indentation {
            try Self.extend(&sections[current].properties, with: content, text, number: number, of: file)
        } else if first == UInt8(ascii: "[") {
            try beginSection(content, number: number)
        } else {
            guard let current else {
                throw ConfigurationError(
                    file: file, line: number, "a section such as [default] must come before the first setting")
            }
            let property = try Self.property(content, number: number, of: file)
            sections[current].properties.append(property)
            indentation = depth
        }
    }

    private mutating func beginSection(_ content: ArraySlice<UInt8>, number: Int) throws(ConfigurationError) {
        guard let end = content.firstIndex(of: UInt8(ascii: "]")) else {
            throw ConfigurationError(file: file, line: number, "the section's name has no closing bracket \"]\"")
        }
        let rest = content[(end + 1)...].trimmingBlanks()
        guard rest.isEmpty || rest.first == UInt8(ascii: "#") || rest.first == UInt8(ascii: ";") else {
            throw ConfigurationError(file: file, line: number, "nothing but a comment may follow the section's name")
        }
        let name = Array(content[(content.startIndex + 1)..<end].trimmingBlanks())
        guard !name.isEmpty else {
            throw ConfigurationError(file: file, line: number, "the section has no name")
        }
        if let known = places[name] {
            current = known
        } else {
            places[name] = sections.count
            current = sections.count
            sections.append(INIDocument.Section(name: String(decoding: name, as: UTF8.self), line: number))
        }
        indentation = nil
    }

    /// No method of the reader: that would hold a second reference to the properties, and each line would copy them all.
    private static func extend(
        _ properties: inout [INIDocument.Property], with content: ArraySlice<UInt8>, _ text: String, number: Int,
        of file: String
    ) throws(ConfigurationError) {
        let last = properties.count - 1
        if properties[last].value.isEmpty {
            let nested = try property(content, number: number, of: file)
            properties[last].nested.append(nested)
        } else {
            properties[last].value += "\n" + text
        }
    }

    private static func property(
        _ content: ArraySlice<UInt8>, number: Int, of file: String
    ) throws(ConfigurationError) -> INIDocument.Property {
        guard let equals = content.firstIndex(of: UInt8(ascii: "=")) else {
            throw ConfigurationError(file: file, line: number, "\"name = value\" expected, and there is no \"=\"")
        }
        let name = content[..<equals].trimmingBlanks()
        guard !name.isEmpty else {
            throw ConfigurationError(file: file, line: number, "\"name = value\" expected, and there is no name")
        }
        let value = content[(equals + 1)...].withoutTrailingComment().trimmingBlanks()
        return INIDocument.Property(
            name: String(decoding: name, as: UTF8.self).lowercased(), value: String(decoding: value, as: UTF8.self),
            line: number)
    }
}

extension ArraySlice<UInt8> {
    /// What comes before a comment: white space, then `#` or `;`.
    fileprivate func withoutTrailingComment() -> ArraySlice<UInt8> {
        var afterBlank = true
        for index in indices {
            if afterBlank, self[index] == UInt8(ascii: "#") || self[index] == UInt8(ascii: ";") {
                return self[..<index]
            }
            afterBlank = self[index].isBlank
        }
        return self
    }
}
