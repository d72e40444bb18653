/// The file that `proxy_cred_file=` names: one line `USER:PASSWORD`; blank lines and lines that begin with `#` are passed over.
enum ProxyCredentials {
    /// Reads the file, which must be its owner's alone.
    static func read(_ path: String) throws(CommandError) -> String {
        guard let found = parse(try OwnFile.text(path, of: "the proxy's credentials")) else {
            throw CommandError(
                .configuration, "the proxy's credentials in \(path): one line USER:PASSWORD expected")
        }
        return found
    }

    /// The one line of the text; nil where there is none, more, or one of another form.
    static func parse(_ text: String) -> String? {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmed }
            .filter { !$0.isEmpty && $0.utf8.first != UInt8(ascii: "#") }
        guard lines.count == 1, lines[0].utf8.first != UInt8(ascii: ":"), lines[0].utf8.contains(UInt8(ascii: ":"))
        else {
            return nil
        }
        return lines[0]
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var rest = self
        while let first = rest.first, first == " " || first == "\t" { rest = rest.dropFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest = rest.dropLast() }
        return String(rest)
    }
}
