/// Whether the program is called by s3fs's name, and with what.
///
/// | called as | by |
/// |---|---|
/// | `s3fs BUCKET[:/PATH] DIR -o LIST` | a person, a script, libfuse's mount.fuse for `fuse.s3fs` and `s3fs#BUCKET` |
/// | `mount.s3fs`, `mount.fuse.s3fs` `BUCKET DIR [-sfnvrw] -o LIST` | mount(8), for the types `s3fs` and `fuse.s3fs` |
/// | `pail s3fs …` | whoever has no link of that name |
struct S3FSInvocation: Sendable, Equatable {
    /// What follows the name, as s3fs takes it.
    var arguments: [String]
    /// mount(8)'s `-f`: check the arguments, mount nothing.
    var isRehearsal = false

    /// The name of the program, of its process and of the type that mount(8) shows.
    static let name = "s3fs"
    private static let helperNames: Set<String> = ["mount.s3fs", "mount.fuse.s3fs"]

    /// Reads the whole of `argv`.
    /// - Returns: nil where another name was called.
    init?(_ argv: [String]) throws(CommandError) {
        let program = argv.first.map { $0.split(separator: "/").last.map(String.init) ?? $0 } ?? ""
        if program == Self.name {
            arguments = Array(argv.dropFirst())
        } else if Self.helperNames.contains(program) {
            let helper = try Invocation(helper: Array(argv.dropFirst()), program: program)
            // Invocation speaks Pail's language: "mount", or an option alone.
            arguments = helper.arguments.first == "mount" ? Array(helper.arguments.dropFirst()) : helper.arguments
            // `-r` and `-w` are mount(8)'s; s3fs has them in its list only.
            arguments = arguments.flatMap { argument in
                switch argument {
                case "-r": ["-o", "ro"]
                case "-w": ["-o", "rw"]
                default: [argument]
                }
            }
            isRehearsal = helper.isRehearsal
        } else if argv.count >= 2, argv[1] == Self.name, !Invocation.isHelper(program) {
            arguments = Array(argv.dropFirst(2))
        } else {
            return nil
        }
    }
}
