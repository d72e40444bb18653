/// The words of a command as a shell would split them: blanks part them, quotes and backslashes keep blanks. Nothing is expanded.
///
/// See sh(1), "Quoting"; botocore splits `credential_process` so.
enum ShellWords {
    static func split(_ text: String) throws(CredentialsError) -> [String] {
        var words: [String] = []
        var word: [UInt8]?
        var quote: UInt8?
        var isEscaped = false
        for byte in text.utf8 {
            if isEscaped {
                isEscaped = false
                // In double quotes a backslash keeps its meaning before " and \ only.
                if quote == UInt8(ascii: "\""), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                    word = (word ?? []) + [UInt8(ascii: "\\")]
                }
                word = (word ?? []) + [byte]
            } else if let open = quote {
                if byte == open {
                    quote = nil
                } else if byte == UInt8(ascii: "\\"), open == UInt8(ascii: "\"") {
                    isEscaped = true
                } else {
                    word = (word ?? []) + [byte]
                }
            } else {
                switch byte {
                case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"):
                    if let done = word { words.append(String(decoding: done, as: UTF8.self)) }
                    word = nil
                case UInt8(ascii: "\""), UInt8(ascii: "'"):
                    quote = byte
                    word = word ?? []
                case UInt8(ascii: "\\"): isEscaped = true
                default: word = (word ?? []) + [byte]
                }
            }
        }
        guard quote == nil, !isEscaped else {
            throw CredentialsError("credential_process: a quote is not closed")
        }
        if let word { words.append(String(decoding: word, as: UTF8.self)) }
        return words
    }
}
