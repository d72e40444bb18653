/// Takes a command line apart, argument by argument, as getopt_long(3) does: options may stand anywhere before `--`.
struct ArgumentWalk {
    /// One argument.
    enum Argument {
        /// No option: a source, a place.
        case positional(String)
        /// `-h`, `--help`
        case help
        /// An option's text behind `--`.
        case long(Substring)
        /// Letters behind `-`.
        case letters(Substring)
    }

    /// What was not looked at yet: options take their values from here.
    var rest: ArraySlice<String>
    private var optionsAreOver = false

    init(_ arguments: [String]) { rest = arguments[...] }

    /// The next argument; nil behind the last.
    mutating func next() -> Argument? {
        guard let argument = rest.popFirst() else { return nil }
        if optionsAreOver || argument == "-" || !argument.utf8.starts(with: "-".utf8) { return .positional(argument) }
        if argument == "--" {
            optionsAreOver = true
            return next()
        }
        if argument == "--help" || argument == "-h" { return .help }
        return argument.utf8.starts(with: "--".utf8) ? .long(argument.dropFirst(2)) : .letters(argument.dropFirst())
    }
}
