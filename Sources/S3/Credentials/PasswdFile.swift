/// The format of s3fs's password file: one key for all buckets, keys for single buckets, or the two lines of AWS's old
/// credential file.
///
/// ```
/// KEY:SECRET
/// bucket:KEY:SECRET
/// # or
/// AWSAccessKeyId=KEY
/// AWSSecretKey=SECRET
/// ```
///
/// As s3fs reads it: blank lines and lines that begin with `#` are skipped; white space inside a line, a `[` at its
/// beginning and a bucket that comes twice are errors; AWS's two lines count before all others. Beyond s3fs, a line that is
/// none of these forms is an error too, where s3fs skips it in silence.
///
/// The parser is a pure function of the bytes, and no error holds any of them.
public struct PasswdFile: Sendable, Equatable {
    /// One key and its secret.
    struct Entry: Sendable, Equatable {
        var accessKeyID: String
        var secretAccessKey: String
    }

    /// The pair of AWS's old format.
    private(set) var pair: Entry?
    /// The key for all buckets that have none of their own.
    private(set) var common: Entry?
    /// The keys of single buckets.
    private(set) var buckets: [String: Entry] = [:]

    /// Reads a file; `file` is for the error's text.
    public init(parsing bytes: [UInt8], file: String) throws(ConfigurationError) {
        var accessKeyID: (value: String, line: Int)?
        var secret: (value: String, line: Int)?
        for (index, raw) in TextLines(bytes).enumerated() {
            let number = index + 1
            let line = raw.trimmingBlanks()
            guard let first = line.first, first != UInt8(ascii: "#") else { continue }
            func fail(_ message: String) -> ConfigurationError {
                ConfigurationError(file: file, line: number, message)
            }
            guard !line.contains(0), let text = String(validating: line, as: UTF8.self) else {
                throw fail("this line is not UTF-8 text")
            }
            guard !line.contains(where: \.isBlank) else { throw fail("white space inside the line") }
            guard !line.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
                throw fail("a control character inside the line")
            }
            guard first != UInt8(ascii: "[") else {
                throw fail(
                    "\"[\" at the line's beginning: this is no file in the format of AWS's credentials, but KEY:SECRET")
            }
            if let value = text.value(after: "AWSAccessKeyId=") {
                guard accessKeyID == nil else { throw fail("AWSAccessKeyId= comes twice") }
                guard !value.isEmpty else { throw fail("AWSAccessKeyId= has no value") }
                accessKeyID = (value, number)
            } else if let value = text.value(after: "AWSSecretKey=") {
                guard secret == nil else { throw fail("AWSSecretKey= comes twice") }
                guard !value.isEmpty else { throw fail("AWSSecretKey= has no value") }
                secret = (value, number)
            } else {
                let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
                    .map { String(decoding: $0, as: UTF8.self) }
                guard fields.count >= 2 else { throw fail("KEY:SECRET or BUCKET:KEY:SECRET expected") }
                guard !fields.contains(where: \.isEmpty) else {
                    throw fail("an empty field, where KEY:SECRET or BUCKET:KEY:SECRET is expected")
                }
                let entry = Entry(accessKeyID: fields[fields.count - 2], secretAccessKey: fields[fields.count - 1])
                if fields.count == 2 {
                    guard common == nil else { throw fail("a second key for all buckets") }
                    common = entry
                } else {
                    guard buckets.updateValue(entry, forKey: fields[0]) == nil else {
                        throw fail("a second key for the same bucket")
                    }
                }
            }
        }
        switch (accessKeyID, secret) {
        case (let key?, let secret?):
            pair = Entry(accessKeyID: key.value, secretAccessKey: secret.value)
        case (let key?, nil):
            throw ConfigurationError(file: file, line: key.line, "AWSAccessKeyId= without AWSSecretKey=")
        case (nil, let secret?):
            throw ConfigurationError(file: file, line: secret.line, "AWSSecretKey= without AWSAccessKeyId=")
        case (nil, nil): break
        }
    }

    /// The key for a bucket: AWS's pair, else the bucket's own, else the common one; nil where there is none.
    public func credentials(for bucket: String) -> Credentials? {
        guard let entry = pair ?? buckets[bucket] ?? common else { return nil }
        return Credentials(accessKeyID: entry.accessKeyID, secretAccessKey: entry.secretAccessKey)
    }

    /// Says what is wrong with the permissions of such a file; nil where nothing is.
    ///
    /// s3fs's rule: nobody but the owner may have any, save that the group may read `/etc/passwd-s3fs`; nobody may execute.
    /// - Parameter mode: `st_mode`.
    static func objection(toMode mode: UInt32, ofFile path: String) -> String? {
        let isSystemFile = path == systemPath
        let advice = isSystemFile ? "run: chmod 640 \(path)" : "run: chmod 600 \(path)"
        if mode & 0o007 != 0 { return "the file with the keys is open to all users; \(advice)" }
        if mode & 0o070 != 0, !isSystemFile { return "the file with the keys is open to its group; \(advice)" }
        if mode & 0o030 != 0 { return "the group may change or execute the file with the keys; \(advice)" }
        if mode & 0o100 != 0 { return "the file with the keys is executable; \(advice)" }
        return nil
    }

    /// The file for all users of a host.
    static let systemPath = "/etc/passwd-s3fs"
}

extension String {
    /// What follows `prefix`, compared by bytes; nil where the text begins otherwise.
    fileprivate func value(after prefix: String) -> String? {
        utf8.starts(with: prefix.utf8) ? String(decoding: utf8.dropFirst(prefix.utf8.count), as: UTF8.self) : nil
    }
}
