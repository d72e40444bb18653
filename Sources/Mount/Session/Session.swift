import CFuse
import FileSystem
import Glibc
import Logging
import Synchronization
import SystemPackage

/// libfuse's session: the mount as the kernel has it, and the descriptor that its requests come from.
///
/// Made mounted; `destroy` frees it. `fuse_session_unmount` is not used to unmount: it closes the descriptor while threads
/// read from it, and unmounts by path whatever lies on top there.
final class Session: Sendable {
    nonisolated(unsafe) let raw: OpaquePointer

    /// - Throws: `session` for options that libfuse does not take, `refused` where the kernel or fusermount3 does.
    init(dispatcher: Dispatcher, mountPoint: String, options: FuseMountOptions, logger: Logger) throws(MountError) {
        FuseLog.redirect(to: logger)
        _ = FuseLog.takeLast()
        var arguments = fuse_args()
        for argument in options.arguments where fuse_opt_add_arg(&arguments, argument) != 0 {
            fuse_opt_free_args(&arguments)
            throw .session("out of memory")
        }
        defer { fuse_opt_free_args(&arguments) }
        var operations = Dispatcher.operations
        guard
            let raw = pail_fuse_session_new(
                &arguments, &operations, Unmanaged.passUnretained(dispatcher).toOpaque())
        else { throw .session(FuseLog.takeLast() ?? "libfuse gives no reason") }
        // libfuse starts fusermount3 where this user may not mount, and fusermount3 alone knows what speaks against it.
        let (failure, words) = StandardErrorCapture.run(linesOf: "fusermount3: ") { () -> Errno? in
            fuse_session_mount(raw, mountPoint) == 0 ? nil : .last
        }
        if let failure {
            fuse_session_destroy(raw)
            throw .refused(mountPoint, reason: words.last ?? FuseLog.takeLast() ?? "\(failure)")
        }
        for line in words { logger.warning("fusermount3: \(line)") }
        self.raw = raw
    }

    /// Takes requests and answers them until the connection ends or `exit` was called. The calling thread's receive buffer
    /// (libfuse allocates a little over 1 MiB, of which only what large writes touch is ever in memory) goes with it.
    func work(logger: Logger) {
        var buffer = fuse_buf()
        defer { free(buffer.mem) }
        while fuse_session_exited(raw) == 0 {
            let count = fuse_session_receive_buf(raw, &buffer)
            if count == -EINTR || count == -EAGAIN { continue }
            if count <= 0 {
                // 0: unmounted, and libfuse has noted the session's end. Anything else ends this thread alone.
                if count < 0 {
                    logger.error(
                        "Reading from /dev/fuse failed", metadata: ["errno": "\(Errno(rawValue: Int32(-count)))"])
                }
                return
            }
            fuse_session_process_buf(raw, &buffer)
        }
    }

    /// Makes `work` return, in each thread as soon as its present request is dealt with and it is woken up.
    func exit() { fuse_session_exit(raw) }

    /// Whether `exit` was called or the kernel ended the connection.
    var hasExited: Bool { fuse_session_exited(raw) != 0 }

    /// Frees the session and closes its descriptor, by which the kernel ends all requests that are still open. Nobody may use
    /// it any more.
    func destroy() {
        // libfuse's copy of the path is freed by fuse_session_unmount alone. Once the kernel has ended the connection, which
        // poll(2) tells by POLLERR, that does nothing else but close the descriptor. A mount that was detached while in use
        // is still connected; there the copy stays, as whatever is mounted at that path by now is not ours.
        var device = pollfd(fd: fuse_session_fd(raw), events: 0, revents: 0)
        if poll(&device, 1, 0) == 1, device.revents & Int16(POLLERR) != 0 { fuse_session_unmount(raw) }
        fuse_session_destroy(raw)
    }
}
