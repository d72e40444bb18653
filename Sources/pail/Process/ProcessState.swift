import Glibc

/// What a process has from its starter: environment and current directory; and the limits that it sets itself.
enum ProcessState {
    /// The environment now.
    static func environment() -> [String: String] {
        var result: [String: String] = [:]
        var entry: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = environ
        while let text = entry.pointee {
            let pair = String(cString: text)
            if let equals = pair.firstIndex(of: "="), equals != pair.startIndex {
                result[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
            }
            entry += 1
        }
        return result
    }

    /// The current directory.
    static func currentDirectory() throws(CommandError) -> String {
        guard let path = getcwd(nil, 0) else {
            throw CommandError(.failure, "the current directory cannot be told: \(String(cString: strerror(errno)))")
        }
        defer { free(path) }
        return String(cString: path)
    }

    /// The path of this program: its own, so that the name of a process of it in `ps` and `pkill` is the program's and not "exe".
    static var program: String {
        guard let path = realpath("/proc/self/exe", nil) else { return "/proc/self/exe" }
        defer { free(path) }
        return String(cString: path)
    }

    /// Names the calling thread, at most 15 bytes; the main thread's name is the process's, see proc(5), `/proc/PID/comm`.
    static func nameThread(_ name: String) {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        _ = name.withCString { write(descriptor, $0, strlen($0)) }
    }

    /// Makes the process fit to hold keys and to live for long: no core dumps, which would hold the keys; an unread pipe is an
    /// error and no death; as many open files as the system allows, one a connection and an open file; no directory held.
    /// - Parameter keepingDirectory: for a command that ends soon and has paths of the person's directory.
    static func settle(keepingDirectory: Bool = false) {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        var files = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0, files.rlim_cur < files.rlim_max {
            files.rlim_cur = files.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        }
        signal(SIGPIPE, SIG_IGN)
        if !keepingDirectory { chdir("/") }
    }

    /// The process's resident memory in bytes, see proc_pid_statm(5); 0 where /proc is not mounted.
    static func residentMemory() -> Int {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = max(0, read(descriptor, &bytes, bytes.count))
        let fields = bytes[..<count].split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
