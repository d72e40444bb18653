import CFuse
import FileSystem
import Logging
import Synchronization

/// INIT: what the kernel and we agree upon for the life of the mount.
extension Dispatcher {
    static func addConnection(to table: inout fuse_lowlevel_ops) {
        table.`init` = { user, connection in
            guard let user, let connection else { return }
            Unmanaged<Dispatcher>.fromOpaque(user).takeUnretainedValue().agree(upon: &connection.pointee)
        }
    }

    private func agree(upon connection: inout fuse_conn_info) {
        // What libfuse asks for by default (and would, in a later version) is not asked for: all that is wanted stands here.
        var wanted: UInt32 = 0
        for (capability, _) in Self.capabilities where connection.capable & UInt32(capability) != 0 {
            wanted |= UInt32(capability)
        }
        if options.defaultPermissions {
            // Access control lists are the kernel's to enforce, and a directory's default list counts before the umask. Without
            // `default_permissions` the capability would turn that on.
            for capability in [FUSE_CAP_POSIX_ACL, FUSE_CAP_DONT_MASK]
            where connection.capable & UInt32(capability) != 0 {
                wanted |= UInt32(capability)
            }
        }
        connection.want = wanted
        connection.max_write = min(
            connection.max_write, UInt32(clamping: min(max(options.maximumWrite, 4 << 10), 1 << 20)))
        // The kernel offers what its device has, 128 KiB, and takes nothing over that: see ``Readahead``.
        connection.max_readahead = UInt32(clamping: options.maximumReadahead)
        connection.max_background = UInt32(clamping: min(max(options.maximumBackground, 1), 65535))
        // From here on the kernel holds back asynchronous readahead; libfuse's own choice is three quarters as well.
        connection.congestion_threshold = max(connection.max_background * 3 / 4, 1)
        isInitialized.store(true, ordering: .releasing)
        logger.debug(
            "The kernel is connected",
            metadata: [
                "protocol": "\(connection.proto_major).\(connection.proto_minor)",
                "wanted": "\(Self.capabilities.filter { wanted & UInt32($0.bit) != 0 }.map(\.name))",
            ])
    }

    /// What is wanted, and why. What is not, and why not:
    /// - `WRITEBACK_CACHE`: takes size and mtime out of the file system's hands, breaks append and sharing between hosts.
    /// - `AUTO_INVAL_DATA`: drops a file's cached pages whenever a stat shows another mtime, and our own writes change it.
    /// - `HANDLE_KILLPRIV`: would make clearing set-id bits on chown and truncate our duty; the kernel does it by SETATTR.
    /// - `SPLICE_…`: data comes from memory and goes to memory, where a pipe in between saves no copy.
    /// - `ASYNC_DIO`: the kernel then waits for an `O_DIRECT` read as for a disk, deaf to signals, even to SIGKILL.
    /// - `POSIX_LOCKS`, `FLOCK_LOCKS`: the kernel keeps locks, between the programs of this host.
    /// - `CACHE_SYMLINKS`: a link may be replaced in the bucket by one with another target.
    /// - `NO_OPEN_SUPPORT`, `NO_OPENDIR_SUPPORT`: we need to see opens.
    private static let capabilities: [(bit: Int32, name: String)] = [
        // Several reads of one open file at once.
        (FUSE_CAP_ASYNC_READ, "ASYNC_READ"),
        // Lookups and readdirs in one directory at once, instead of one after the other's network round trip.
        (FUSE_CAP_PARALLEL_DIROPS, "PARALLEL_DIROPS"),
        // Entries with attributes, where the program looks as if it wanted them.
        (FUSE_CAP_READDIRPLUS, "READDIRPLUS"),
        (FUSE_CAP_READDIRPLUS_AUTO, "READDIRPLUS_AUTO"),
        // `O_TRUNC` comes with the open: a full replacement, and no fetch of what is about to go.
        (FUSE_CAP_ATOMIC_O_TRUNC, "ATOMIC_O_TRUNC"),
        // Pages stay until we say so: at an open (`OpenReply.keepsPageCache`) or by ``KernelNotifier``.
        (FUSE_CAP_EXPLICIT_INVAL_DATA, "EXPLICIT_INVAL_DATA"),
    ]
}
