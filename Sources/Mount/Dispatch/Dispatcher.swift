import CFuse
import FileSystem
import Logging
import Synchronization

/// What every callback of libfuse needs: reached from a request by `fuse_req_userdata`.
///
/// A callback runs on one of our FUSE threads. It decodes the request and asks the file system's `…Now` verb; if that
/// answers, it replies there and then, without a task, a queue or a lock of its own. Otherwise the request's ``FuseRequest``
/// goes along with a detached task that calls the asynchronous verb, and the thread takes the next request. So a FUSE thread
/// never waits for the network, and few threads are enough.
final class Dispatcher: Sendable {
    let fileSystem: any MountableFileSystem
    let options: FuseMountOptions
    let logger: Logger
    let pending = PendingRequests()
    let gate = ReplyGate()
    let metrics = OperationMetrics()
    /// Set by INIT: what the kernel and we agreed upon, for the log.
    let isInitialized = Atomic<Bool>(false)

    init(fileSystem: any MountableFileSystem, options: FuseMountOptions, logger: Logger) {
        self.fileSystem = fileSystem
        self.options = options
        self.logger = logger
    }

    /// The dispatcher of a request. It outlives the session.
    static func of(_ request: fuse_req_t) -> Dispatcher {
        Unmanaged<Dispatcher>.fromOpaque(fuse_req_userdata(request)).takeUnretainedValue()
    }

    /// libfuse's table of callbacks. A verb that is left out is answered with `ENOSYS`, upon which the kernel either does it
    /// itself from then on (flock, fcntl locks, access under `default_permissions`) or tells the program that it is not
    /// supported (ioctl, `O_TMPFILE`).
    static var operations: fuse_lowlevel_ops {
        var table = fuse_lowlevel_ops()
        addConnection(to: &table)
        addNames(to: &table)
        addAttributes(to: &table)
        addExtendedAttributes(to: &table)
        addFiles(to: &table)
        addDirectories(to: &table)
        return table
    }
}
