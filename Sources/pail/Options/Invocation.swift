/// The ways in which Pail is called, turned into the one that the parser knows: `mount …`, `umount …`.
///
/// | called as | by |
/// |---|---|
/// | `pail mount SOURCE DIR …` | a person |
/// | `mount.pail SOURCE DIR [-sfnvV] [-N NS] [-t TYPE] -o LIST` | mount(8), for the type `pail`; also `mount.fuse.pail` |
/// | `fsck.pail [-pany] [-C FD] SOURCE` | fsck(8), for the type `pail`; also `fsck.fuse.pail` |
/// | `pail SOURCE DIR -o LIST` | libfuse's mount.fuse, for the type `fuse.pail` and for `pail#BUCKET` |
struct Invocation: Sendable, Equatable {
    /// What to parse, without the program's name.
    var arguments: [String]
    /// mount(8)'s `-f`: check the arguments, mount nothing.
    var isRehearsal = false
    /// Unknown options of mount(8)'s `-s` are to be passed over; kept for the message.
    private static let helperNames: Set<String> = ["mount.pail", "mount.fuse.pail"]
    private static let fsckNames: Set<String> = ["fsck.pail", "fsck.fuse.pail"]

    /// Reads the whole of `argv`.
    /// - Parameter commands: the names of the subcommands.
    init(_ argv: [String], commands: Set<String>) throws(CommandError) {
        let program = argv.first.map { $0.split(separator: "/").last.map(String.init) ?? $0 } ?? "pail"
        let given = Array(argv.dropFirst())
        if Self.helperNames.contains(program) {
            self = try Invocation(helper: given, program: program)
        } else if Self.fsckNames.contains(program) {
            arguments = given == ["-V"] || given == ["--version"] ? ["--version"] : ["check"] + given
        } else if given.count == 2, given[0] == "help", given[1] == "mount" || given[1] == "check" {
            arguments = [given[1], "--help"]
        } else if given.count >= 2, !commands.contains(given[0]), given[0].utf8.first != UInt8(ascii: "-"),
            given[1].utf8.first == UInt8(ascii: "/")
        {
            arguments = ["mount"] + given
        } else {
            arguments = given
        }
    }

    /// Whether a program's name is one that mount(8) calls.
    static func isHelper(_ program: String) -> Bool { helperNames.contains(program) }

    /// Whether a program's path, as in `argv[0]`, is one that fsck(8) calls.
    static func isFsck(_ program: String) -> Bool {
        fsckNames.contains(program.split(separator: "/").last.map(String.init) ?? program)
    }

    /// Reads what mount(8) calls a helper with: see there, "External helpers".
    init(helper given: [String], program: String) throws(CommandError) {
        if given == ["--help"] || given == ["-h"] {
            arguments = ["mount", "--help"]
            return
        }
        if given == ["-V"] || given == ["--version"] {
            arguments = ["--version"]
            return
        }
        var result = ["mount"]
        var isRehearsal = false
        var rest = given[...]
        while let argument = rest.popFirst() {
            guard argument.utf8.first == UInt8(ascii: "-"), argument.utf8.count > 1 else {
                result.append(argument)
                continue
            }
            var letters = argument.dropFirst()
            loop: while let letter = letters.popFirst() {
                switch letter {
                case "s", "n", "v": continue
                case "f": isRehearsal = true
                case "r", "w": result.append("-\(letter)")
                case "o", "t", "N":
                    guard let value = letters.isEmpty ? rest.popFirst() : String(letters) else {
                        throw CommandError(.usage, "\(program): -\(letter) needs a value")
                    }
                    if letter == "o" { result += ["-o", value] }
                    if letter == "N" {
                        throw CommandError(
                            .usage, "\(program): -N (another mount namespace) is not possible; use nsenter")
                    }
                    break loop
                default:
                    throw CommandError(.usage, "\(program): unknown option \"-\(letter)\"")
                }
            }
        }
        arguments = result
        self.isRehearsal = isRehearsal
    }
}
