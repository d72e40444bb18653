import Check

/// What the arguments of `pail check` ask for: its own options, and those of `pail mount` that say where the store is and how
/// to reach it.
enum CheckArguments: Sendable, Equatable {
    /// `--help`
    case help
    /// A check.
    case check(CheckRequest)

    /// Reads the arguments behind `pail check`.
    /// - Parameter isFsck: called by fsck(8), whose checks are quick unless forced.
    init(parsing arguments: [String], isFsck: Bool = false, mountOptions: [String] = []) throws(CommandError) {
        var request = CheckRequest()
        request.isFast = isFsck
        var sources: [String] = []
        var others = mountOptions
        var walk = ArgumentWalk(arguments)
        while let argument = walk.next() {
            switch argument {
            case .positional(let text): sources.append(text)
            case .help:
                self = .help
                return
            case .long(let text):
                if try !request.take(long: text, &walk.rest) { Self.pass("--" + text, &walk.rest, to: &others) }
            case .letters(let letters) where letters.utf8.first == UInt8(ascii: "o"):
                others.append("-" + letters)
                if letters.utf8.count == 1, let list = walk.rest.popFirst() { others.append(list) }
            case .letters(let letters): try request.take(letters: letters, &walk.rest)
            }
        }
        guard let source = sources.first else {
            throw CommandError(.usage, "a bucket is missing: pail check s3://BUCKET[/PREFIX] [options]")
        }
        guard sources.count == 1 else {
            throw CommandError(.usage, "unexpected argument \"\(sources[1])\"; see: pail check --help")
        }
        guard case .mount(let mount) = try MountArguments(parsing: others + ["--", source, "/"]) else {
            throw CommandError(.usage, "see: pail check --help")
        }
        request.mount = mount
        self = .check(request)
    }

    /// An option of `pail mount` goes on to its parser, with its value.
    private static func pass(_ argument: String, _ rest: inout ArraySlice<String>, to others: inout [String]) {
        others.append(argument)
        let name = argument.dropFirst(2)
        guard !name.contains("="), MountOptionTable.byName[OptionSpec.canonical(name)]?.placeholder != nil,
            let value = rest.popFirst()
        else { return }
        others.append(value)
    }
}

/// A check that somebody asks for.
struct CheckRequest: Sendable, Equatable {
    /// The bucket and how to reach it.
    var mount: MountRequest?
    /// `-p`, `-a`, `-y`; `-n` is none of them.
    var mending = CheckOptions.Mending.nothing
    /// Only what the listing tells.
    var isFast = false
    var verifiesData = false
    var probes = false
    var isForced = false
    var resumes = false
    var printsJSON = false
    var isVerbose = false
    /// Where progress goes, as numbers; nil for a bar on a terminal.
    var progressDescriptor: Int32?
    var asksAbove = 100_000
    var neverAsks = false
    var maximumRequests: Int?
    var parallel = 96
    var minimumAge: Duration = .seconds(86400)

    /// Takes one of the check's own options; false where it is none.
    mutating func take(long text: Substring, _ rest: inout ArraySlice<String>) throws(CommandError) -> Bool {
        let name = String(text.prefix { $0 != "=" })
        let given = text.count > name.count ? String(text.dropFirst(name.count + 1)) : nil
        func value() throws(CommandError) -> String {
            guard let value = given ?? rest.popFirst() else {
                throw CommandError(.usage, "option \"--\(name)\" needs a value; see: pail check --help")
            }
            return value
        }
        func number(_ range: ClosedRange<Int>) throws(CommandError) -> Int {
            let text = try value()
            guard let number = Int(text), range.contains(number) else {
                throw CommandError(
                    .usage, "option \"--\(name)\": \(range.lowerBound) to \(range.upperBound) expected, not \"\(text)\""
                )
            }
            return number
        }
        if given != nil, Self.flags.contains(name) {
            throw CommandError(.usage, "option \"--\(name)\" takes no value")
        }
        switch name {
        case "fast": isFast = true
        case "full": isFast = false
        case "verify-data": verifiesData = true
        case "probe": probes = true
        case "force": isForced = true
        case "resume": resumes = true
        case "json": printsJSON = true
        case "verbose": isVerbose = true
        case "no-ask": neverAsks = true
        case "repair": mending = .all
        case "ask-above": asksAbove = try number(0...Int.max)
        case "max-requests": maximumRequests = try number(1...Int.max)
        case "parallel": parallel = try number(1...1024)
        case "min-age":
            let text = try value()
            guard let age = DurationText.parse(text) else {
                throw CommandError(.usage, "option \"--min-age\": a time such as 24h or 0 expected, not \"\(text)\"")
            }
            minimumAge = age
        default: return false
        }
        return true
    }

    private static let flags: Set<String> = [
        "fast", "full", "verify-data", "probe", "force", "resume", "json", "verbose", "no-ask", "repair",
    ]

    /// Takes letters as fsck(8) hands them on.
    mutating func take(letters: Substring, _ rest: inout ArraySlice<String>) throws(CommandError) {
        var letters = letters
        while let letter = letters.popFirst() {
            switch letter {
            case "n": mending = .nothing
            case "p", "a": mending = .preen
            case "y": mending = .all
            case "f": isFast = false
            case "v": isVerbose = true
            // fsck(8) hands these on to all checkers: no title, statistics.
            case "T", "r": break
            case "C":
                let text = letters.isEmpty ? rest.popFirst() : String(letters)
                guard let text, let descriptor = Int32(text), descriptor >= 0 else {
                    throw CommandError(.usage, "-C needs the number of an open file descriptor")
                }
                progressDescriptor = descriptor
                return
            default: throw CommandError(.usage, "unknown option \"-\(letter)\"; see: pail check --help")
            }
        }
    }

    /// `pail check --help`
    static let help = """
        Checks a bucket, and mends what it is told to.

        Usage: pail check s3://BUCKET[/PREFIX] [options]

        Changes nothing unless told. Never deletes an object's content and never
        chooses between two: what has no place goes to lost+found/ in the bucket.

          -n            Change nothing: the default.
          -p, -a        Mend what can take nothing from anybody.
          -y, --repair  Mend all that can be mended.
          --fast        Only what a listing tells: one request for 1,000 objects.
                        Without it, one more for each object.
          --verify-data Read every object and compare it with its checksum.
          --probe       Try what the store honours, by small objects in .pail/probe/.
          --min-age TIME
                        What is younger may be somebody's work under way and is left
                        alone: uploads, copies of unlinked files. (default: 24h)
          --force       Mend what a mount of this machine may own, too.
          --ask-above N On a terminal, ask before more requests than this.
                        (default: 100000)
          --no-ask      Never ask.
          --max-requests N
                        Stop after so many; --resume goes on.
          --resume      Go on where a check that was interrupted ended.
          --parallel N  Objects asked for at once. (1 to 1024; default: 96)
          --json        Print one object of JSON; see Documentation/CHECK.md.
          -v            Show up to 1,000 findings of a kind, not 10.
          -C FD         Write progress to this file descriptor, as fsck(8) has it.

        Also the options of "pail mount" for the store, the credentials, the
        transfers and --state-dir: see pail mount --help.

        Called as fsck.pail or fsck.fuse.pail, by fsck(8): --fast unless -f is given,
        and the options of the bucket's line in /etc/fstab.

        Exit status, a sum as fsck(8) has it: 0 nothing wrong; 1 mended; 4 problems
        left; 8 something could not be checked; 16 wrong call; 32 interrupted.
        """
}
