/// Whether a process is being ended by a signal.
///
/// A process that ends closes its descriptors, and the kernel waits for the answer to each FLUSH, as for a close(2). After
/// SIGKILL and most other signals it interrupts that request, as the signal still counts as pending. After a signal that
/// dumps core (SIGQUIT, SIGSEGV, SIGABRT) it does not: that signal has been taken, and none is delivered to a process that
/// ends. Where a close waits for a store that is away, such a process would not go, and nothing could make it. Nobody in
/// it will hear of the close's result.
///
/// Reads /proc/PID/stat (see proc_pid_stat(5)): the process's flags and its exit status, which the kernel has set before it closes
/// the descriptors. The status is shown only to who may trace the process (root, or the same user); otherwise it reads as
/// zero, and the answer is no.
enum EndingProcess {
    /// `PF_EXITING` of Linux's sched.h.
    private static let isExiting: UInt64 = 0x4

    /// Whether process `pid` is ending because of a signal.
    /// - Returns: False for pid 0 (a process in a namespace that we do not see), one that is gone, and one that exits by itself.
    static func isKilled(pid: Int32) -> Bool {
        guard pid > 0, let text = FileContent.read("/proc/\(pid)/stat", limit: 4096) else { return false }
        return isKilled(stat: text)
    }

    /// Whether the text of /proc/PID/stat is of such a process.
    static func isKilled(stat text: [UInt8]) -> Bool {
        // 1 (name) S 3 4 …: the name may hold blanks and brackets, so the fields are counted behind the last bracket.
        guard let end = text.lastIndex(of: UInt8(ascii: ")")) else { return false }
        let fields = text[(end + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        // The first of these is the third of the manual: flags are its 9th, exit_code its 52nd.
        guard fields.count > 49, let flags = UInt64(String(decoding: fields[6], as: UTF8.self)),
            let status = UInt64(String(decoding: fields[49], as: UTF8.self))
        else { return false }
        return flags & isExiting != 0 && status & 0x7F != 0
    }
}
